//go:build linux

package pgtest

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"
)

// Standby makes a second cluster that follows c, and returns when it does. It is known as
// name in SetSynchronous. Its files lie in memory.
func (c *Cluster) Standby(name string) (*Cluster, error) {
	return c.StandbyAt(name, c.options.Network)
}

// StandbyAt is Standby with another place on the network. One that has an address of its
// own follows c over the network, else over the Unix socket.
func (c *Cluster) StandbyAt(name string, at Network) (*Cluster, error) {
	o := c.options
	o.Network = at
	o.Dir = ""
	s, err := newCluster(o)
	if err != nil {
		return nil, err
	}
	err = s.home.run("pg_basebackup", "-D", s.dir, "-X", "stream", "-c", "fast", "--no-sync",
		"-h", c.sockets, "-p", fmt.Sprint(c.port), "-U", user0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("copying the primary: %w", err), s.Close())
	}
	// What ALTER SYSTEM has set is of the primary alone.
	for file, text := range map[string]string{"postgresql.auto.conf": "", "standby.signal": ""} {
		if err := s.home.write(filepath.Join(s.dir, file), text); err != nil {
			return nil, errors.Join(fmt.Errorf("writing %s: %w", file, err), s.Close())
		}
	}
	from := fmt.Sprintf("host=%s port=%d user=%s application_name=%s", c.sockets, c.port, user0, name)
	if c.options.Network.Host != "" {
		from = fmt.Sprintf("host=%s port=%d user=%s application_name=%s", c.options.Network.Host, c.port, user0, name)
	}
	if err := s.begin("primary_conninfo = " + quote(from)); err != nil {
		return nil, err
	}
	err = c.Until("postgres", "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming')", name)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("waiting for the standby: %w\n%s", err, s.LogTail()), s.Close())
	}
	return s, nil
}

// SetSynchronous names the standbys that a commit waits for, as synchronous_standby_names
// does; "" is none. When it returns every later commit obeys, and whoever waited for
// standbys that count no longer has been let go.
func (c *Cluster) SetSynchronous(names string) error {
	err := c.Exec("postgres", "ALTER SYSTEM SET synchronous_standby_names = "+quote(names), "SELECT pg_reload_conf()")
	if err != nil {
		return fmt.Errorf("setting the synchronous standbys: %w", err)
	}
	// A session that begins with the new value shows that the postmaster has it and is
	// telling its children. One that begins after that shows that it has told all. It is
	// the checkpointer's word that commits go by, and a checkpoint is made by a
	// checkpointer that has heard.
	for deadline := time.Now().Add(Patience); ; time.Sleep(pause) {
		got, err := One[string](c, "postgres", "SELECT current_setting('synchronous_standby_names')")
		if err == nil && got == names {
			break
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("setting the synchronous standbys: they are %q after %s", got, Patience), err)
		}
	}
	if err := c.Exec("postgres", "CHECKPOINT"); err != nil {
		return fmt.Errorf("setting the synchronous standbys: %w", err)
	}
	return nil
}

// Promote makes a primary of a standby, and returns when it takes writes. A receiver that
// is paused is killed first: what had reached the machine and not the receiver is lost.
func (c *Cluster) Promote() error {
	c.mu.Lock()
	paused := c.paused
	c.paused = 0
	c.mu.Unlock()
	if paused != 0 {
		// The standby begins anew, and would not hear of a promotion meanwhile.
		if err := c.KillBackend(paused); err != nil {
			return fmt.Errorf("promoting a standby: %w", err)
		}
	}
	if err := c.home.run("pg_ctl", "promote", "-W", "-D", c.dir); err != nil {
		return fmt.Errorf("promoting a standby: %w", err)
	}
	if err := c.Until("postgres", "SELECT NOT pg_is_in_recovery()"); err != nil {
		return fmt.Errorf("promoting a standby: %w\n%s", err, c.LogTail())
	}
	return nil
}

// PauseReceiver stops the process of a standby that receives from the primary, so that
// nothing is written and nothing acknowledged until ResumeReceiver. It waits for the
// receiver to be there, and does nothing where it is paused.
func (c *Cluster) PauseReceiver() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused != 0 {
		return nil
	}
	const streams = "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')"
	if err := c.Until("postgres", streams); err != nil {
		return fmt.Errorf("waiting for the receiver of a standby: %w", err)
	}
	pid, err := One[int](c, "postgres", "SELECT pid FROM pg_stat_wal_receiver")
	if err != nil {
		return fmt.Errorf("looking for the receiver of a standby: %w", err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("pausing the receiver of a standby: %w", err)
	}
	c.paused = pid
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(pause / 5) {
		switch _, state := stat(pid); state {
		case "T":
			return nil
		case "", "Z":
			c.paused = 0
			return errors.New("pausing the receiver of a standby: it ended")
		}
	}
	return fmt.Errorf("pausing the receiver of a standby: process %d has not stopped after %s", pid, Patience)
}

// Paused says whether the receiver is paused.
func (c *Cluster) Paused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paused != 0
}

// ResumeReceiver lets a receiver that is paused go on. It does nothing where none is.
func (c *Cluster) ResumeReceiver() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resume()
}

// resume is ResumeReceiver for who holds mu.
func (c *Cluster) resume() error {
	if c.paused == 0 {
		return nil
	}
	pid := c.paused
	c.paused = 0
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("resuming the receiver of a standby: %w", err)
	}
	return nil
}

func killProcess(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("killing process %d: %w", pid, err)
	}
	return nil
}
