//go:build linux

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pause is how long a wait rests between two looks.
const pause = 5 * time.Millisecond

// Start starts a cluster that does not run, on the files and the port that it has, and
// returns when it answers.
func (c *Cluster) Start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid != 0 {
		return errors.New("starting a cluster: it runs already")
	}
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("opening the log of a cluster: %w", err)
	}
	defer log.Close()
	pid, err := c.home.spawn(log, syscall.SIGQUIT, c.options, "postgres", "-D", c.dir)
	if err != nil {
		return fmt.Errorf("starting a cluster: %w", err)
	}
	c.pid, c.paused = pid, 0
	if err := c.awaitAnswer(); err != nil {
		return errors.Join(fmt.Errorf("starting a cluster: %w\n%s", err, c.LogTail()), c.kill())
	}
	return nil
}

// spawn starts a program that gets a signal when this process ends, with the environment
// and in the network namespace of the options. Its output goes into log.
func (t tool) spawn(log *os.File, last syscall.Signal, o Options, name string, args ...string) (pid int, err error) {
	cmd := t.commandIn(o.Network.Namespace, name, args...)
	cmd.Env = append(cmd.Env, o.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr.Pdeathsig = last
	// The signal comes when the thread ends that has started the process. The caller's
	// may be locked to its goroutine, and end with it.
	started := make(chan error)
	go func() { started <- cmd.Start() }()
	if err := <-started; err != nil {
		return 0, err
	}
	pid = cmd.Process.Pid
	return pid, cmd.Process.Release() // ended waits for it.
}

// awaitAnswer waits until the server takes connections, or has ended.
func (c *Cluster) awaitAnswer() error {
	var last error
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(pause) {
		if ended(c.pid) {
			c.pid = 0
			return errors.New("it ended at once")
		}
		if !exists(filepath.Join(c.sockets, fmt.Sprintf(".s.PGSQL.%d", c.port))) {
			continue
		}
		conn, err := c.connect("postgres")
		if err == nil {
			return hangUp(conn)
		}
		last = err
	}
	return fmt.Errorf("it does not answer after %s: %w", Patience, last)
}

// ended says whether a child of this process has ended, and takes its end.
func ended(pid int) bool {
	var status syscall.WaitStatus
	got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
	return got == pid || errors.Is(err, syscall.ECHILD)
}

// awaitEnd waits until a child has ended.
func awaitEnd(pid int) error {
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(pause) {
		if ended(pid) {
			return nil
		}
	}
	return fmt.Errorf("process %d still runs after %s", pid, Patience)
}

// Stop ends the server in order: sessions are closed and a checkpoint is written.
func (c *Cluster) Stop() error { return c.stop(syscall.SIGINT) }

// StopImmediate ends the server at once, as after a loss of power but with its processes
// told. The next start recovers.
func (c *Cluster) StopImmediate() error { return c.stop(syscall.SIGQUIT) }

func (c *Cluster) stop(s syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid == 0 {
		return nil
	}
	if err := c.resume(); err != nil { // A stopped process would not end.
		return err
	}
	if err := syscall.Kill(c.pid, s); err != nil {
		return fmt.Errorf("stopping a cluster: %w", err)
	}
	if err := awaitEnd(c.pid); err != nil {
		return errors.Join(fmt.Errorf("stopping a cluster: %w", err), c.kill())
	}
	c.pid = 0
	return nil
}

// Restart starts the server again: after Stop in its place where it runs.
func (c *Cluster) Restart() error {
	if err := c.Stop(); err != nil {
		return err
	}
	return c.Start()
}

// Kill ends the server as the end of its machine would: postmaster and all children at
// once, none of them told. What had been written stays, as the files are the same. Start
// starts it again.
func (c *Cluster) Kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kill()
}

// kill is Kill for who holds mu.
func (c *Cluster) kill() error {
	if c.pid == 0 {
		return nil
	}
	// Stopped, the postmaster neither sees a child die nor makes another one.
	_ = syscall.Kill(c.pid, syscall.SIGSTOP)
	children := childrenOf(c.pid)
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	_ = syscall.Kill(c.pid, syscall.SIGKILL)
	if err := awaitEnd(c.pid); err != nil {
		return fmt.Errorf("killing a cluster: %w", err)
	}
	c.pid, c.paused = 0, 0
	for _, child := range children {
		if err := awaitGone(child); err != nil {
			return fmt.Errorf("killing a cluster: %w", err)
		}
	}
	c.clear()
	return nil
}

// KillBackend kills one session's process. The server ends all others and recovers in
// place; KillBackend returns when it takes connections again.
func (c *Cluster) KillBackend(pid int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid == 0 {
		return errors.New("killing a session: the cluster does not run")
	}
	children := childrenOf(c.pid)
	if !slices.Contains(children, pid) {
		return fmt.Errorf("killing a session: the cluster has no process %d", pid)
	}
	if err := killProcess(pid); err != nil {
		return err
	}
	for _, child := range children {
		if err := awaitGone(child); err != nil {
			return fmt.Errorf("killing a session: %w", err)
		}
	}
	if err := c.awaitAnswer(); err != nil {
		return fmt.Errorf("recovering from a killed session: %w\n%s", err, c.LogTail())
	}
	return nil
}

// clear removes what a killed server leaves behind: its segment of shared memory, of
// which a machine has few, and the files with the number of its process, which another
// process may get.
func (c *Cluster) clear() {
	file := filepath.Join(c.dir, "postmaster.pid")
	if text, err := os.ReadFile(file); err == nil {
		const segment = 6 // The line with the key and the number.
		if lines := strings.Split(string(text), "\n"); len(lines) > segment {
			if f := strings.Fields(lines[segment]); len(f) == 2 {
				if id, err := strconv.Atoi(f[1]); err == nil {
					_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
				}
			}
		}
	}
	_ = os.Remove(file)
	socket := filepath.Join(c.sockets, fmt.Sprintf(".s.PGSQL.%d", c.port))
	_ = os.Remove(socket)
	_ = os.Remove(socket + ".lock")
}

// childrenOf returns the processes that pid has started and that have not ended.
func childrenOf(pid int) (children []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, state := stat(child); parent == pid && state != "Z" {
			children = append(children, child)
		}
	}
	return children
}

// stat returns the parent and the state of a process, "" for one that is gone.
func stat(pid int) (parent int, state string) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, ""
	}
	// Fields are counted from after the name, which may have blanks and brackets.
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(f) < 2 {
		return 0, ""
	}
	parent, _ = strconv.Atoi(f[1])
	return parent, f[0]
}

// awaitGone waits until a process that is not a child of this one has ended.
func awaitGone(pid int) error {
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(pause) {
		if _, state := stat(pid); state == "" || state == "Z" {
			return nil
		}
	}
	return fmt.Errorf("process %d is still there after %s", pid, Patience)
}

// Running says whether the server has been started and not ended since.
func (c *Cluster) Running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid != 0
}
