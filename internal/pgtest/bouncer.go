//go:build linux

package pgtest

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// BouncerOptions are what a pgbouncer is like.
type BouncerOptions struct {
	// Mode is pool_mode: session (where none is given), transaction or statement.
	Mode string
	// Users are the roles that may log in, besides the superuser.
	Users []string
	// Settings are lines of pgbouncer.ini, beyond those that the package needs.
	Settings map[string]string
}

// Bouncer is a pgbouncer in front of one cluster.
type Bouncer struct {
	home *home
	dir  string
	port int

	mu  sync.Mutex // guards pid
	pid int        // 0 while it does not run
}

// findBouncer returns the program, which Debian keeps where a user's PATH has it not.
func findBouncer() (string, error) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin") {
		if in := filepath.Join(dir, "pgbouncer"); exists(in) {
			return in, nil
		}
	}
	return "", errors.New("pgbouncer (Debian: apt-get install pgbouncer)")
}

// NewBouncer starts a pgbouncer in front of c. The caller closes it.
func NewBouncer(c *Cluster, o BouncerOptions) (*Bouncer, error) {
	b := &Bouncer{home: c.home, dir: filepath.Join(c.home.dir, c.home.next("b"))}
	if err := b.home.mkdir(b.dir); err != nil {
		return nil, fmt.Errorf("making the directory of a pgbouncer: %w", err)
	}
	const tries = 5
	for try := 1; ; try++ {
		var err error
		if b.port, err = freePort(); err != nil {
			return nil, errors.Join(err, b.Close())
		}
		if err := b.configure(c, o); err != nil {
			return nil, errors.Join(fmt.Errorf("configuring pgbouncer: %w", err), b.Close())
		}
		err = b.Start()
		if err == nil {
			return b, nil
		}
		if try == tries || !strings.Contains(b.LogTail(), "Address already in use") {
			return nil, errors.Join(err, b.Close())
		}
	}
}

func (b *Bouncer) configure(c *Cluster, o BouncerOptions) error {
	settings := map[string]string{
		"listen_addr":               "127.0.0.1",
		"listen_port":               fmt.Sprint(b.port),
		"unix_socket_dir":           "",
		"pidfile":                   filepath.Join(b.dir, "bouncer.pid"),
		"auth_type":                 "trust",
		"auth_file":                 filepath.Join(b.dir, "users"),
		"admin_users":               user0,
		"pool_mode":                 "session",
		"max_client_conn":           "400",
		"default_pool_size":         "50",
		"ignore_startup_parameters": "extra_float_digits",
		"server_login_retry":        "0.1",
	}
	if o.Mode != "" {
		settings["pool_mode"] = o.Mode
	}
	maps.Copy(settings, o.Settings)
	var text strings.Builder
	fmt.Fprintf(&text, "[databases]\n* = host=%s port=%d\n[pgbouncer]\n", c.sockets, c.port)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s = %s\n", name, settings[name])
	}
	if err := b.home.write(filepath.Join(b.dir, "bouncer.ini"), text.String()); err != nil {
		return err
	}
	var users strings.Builder
	for _, u := range append([]string{user0}, o.Users...) {
		fmt.Fprintf(&users, "%q \"\"\n", u)
	}
	return b.home.write(filepath.Join(b.dir, "users"), users.String())
}

// Start starts a pgbouncer that does not run, and returns when it takes connections.
func (b *Bouncer) Start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pid != 0 {
		return errors.New("starting pgbouncer: it runs already")
	}
	program, err := findBouncer()
	if err != nil {
		return fmt.Errorf("looking for %w", err)
	}
	log, err := os.OpenFile(filepath.Join(b.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("opening the log of pgbouncer: %w", err)
	}
	defer log.Close()
	b.pid, err = b.home.spawn(log, syscall.SIGKILL, Options{}, program, filepath.Join(b.dir, "bouncer.ini"))
	if err != nil {
		return fmt.Errorf("starting pgbouncer: %w", err)
	}
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(pause) {
		if ended(b.pid) {
			b.pid = 0
			return fmt.Errorf("starting pgbouncer: it ended at once\n%s", b.LogTail())
		}
		if conn, err := net.Dial("tcp", b.Address()); err == nil {
			return conn.Close()
		}
	}
	return errors.Join(fmt.Errorf("starting pgbouncer: nobody listens after %s\n%s", Patience, b.LogTail()), b.kill())
}

// Kill ends pgbouncer, and with it every connection through it, without a word.
func (b *Bouncer) Kill() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kill()
}

// kill is Kill for who holds mu.
func (b *Bouncer) kill() error {
	if b.pid == 0 {
		return nil
	}
	_ = syscall.Kill(b.pid, syscall.SIGKILL)
	if err := awaitEnd(b.pid); err != nil {
		return fmt.Errorf("killing pgbouncer: %w", err)
	}
	b.pid = 0
	_ = os.Remove(filepath.Join(b.dir, "bouncer.pid")) // Or the next one refuses to start.
	return nil
}

// Restart kills pgbouncer, if it runs, and starts it again at the same address.
func (b *Bouncer) Restart() error {
	if err := b.Kill(); err != nil {
		return err
	}
	return b.Start()
}

// Close kills pgbouncer and removes its files.
func (b *Bouncer) Close() error {
	return errors.Join(b.Kill(), os.RemoveAll(b.dir))
}

// Address is where pgbouncer listens, as host:port.
func (b *Bouncer) Address() string { return fmt.Sprintf("127.0.0.1:%d", b.port) }

// DSN is the address of a database through pgbouncer.
func (b *Bouncer) DSN(database string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", user0, b.Address(), database)
}

// LogTail is the end of what pgbouncer has logged.
func (b *Bouncer) LogTail() string { return tail(filepath.Join(b.dir, "log")) }
