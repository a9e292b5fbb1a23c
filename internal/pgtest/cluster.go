//go:build linux

package pgtest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Patience is how long a wait of this package lasts at most. It is long because the
// machine may be busy; nothing passes because of it.
const Patience = 60 * time.Second

// user0 is the superuser of each cluster, who needs no password.
const user0 = "postgres"

// Options are what a cluster is like. The zero value is one for tests.
type Options struct {
	// Dir is where the cluster's files go. It must not exist, and stays after Close.
	// None: a directory of this process in memory, which is removed.
	Dir string
	// SegmentMiB is the size of a segment of the log, 0 for 1: what a server has by
	// itself is 16, which makes each copy large.
	SegmentMiB int
	// NoSync turns fsync off.
	NoSync bool
	// Settings are lines of postgresql.conf, beyond those that make a cluster small.
	Settings map[string]string
	// Env is added to the environment of the server, such as for a clock of its own.
	Env []string
	// Network is where the cluster is on the network. The zero value is the loopback.
	Network Network
}

// Network is a network of Linux, and an address in it. It needs root.
type Network struct {
	// Namespace is the file of a network namespace, which the server's processes run in.
	Namespace string
	// Host is the address that the server listens at.
	Host string
}

// Cluster is one PostgreSQL server with its files. Its methods may be called by several
// goroutines; those that start and end it wait for each other.
type Cluster struct {
	home    *home
	options Options
	// sockets is the directory of the Unix socket, dir that of the data.
	sockets, dir string
	port         int

	mu     sync.Mutex // guards what follows
	pid    int        // of the postmaster, 0 while it does not run
	paused int        // the walreceiver that PauseReceiver has stopped, or 0
}

// small keeps a cluster of a test small and its standbys quick. A standby that is paused
// is not given up.
var small = map[string]string{
	"listen_addresses":             "127.0.0.1",
	"max_connections":              "200",
	"shared_buffers":               "32MB",
	"dynamic_shared_memory_type":   "mmap", // Files of its own in dir, so that nothing outlives it.
	"wal_level":                    "replica",
	"min_wal_size":                 "4MB",
	"max_wal_size":                 "128MB",
	"wal_keep_size":                "64MB",
	"wal_sender_timeout":           "0",
	"wal_receiver_timeout":         "0",
	"wal_receiver_status_interval": "1s",
	"wal_retrieve_retry_interval":  "50ms",
	"max_wal_senders":              "20",
	"log_line_prefix":              "%m [%p] %a ",
	"timezone":                     "UTC",
	"log_timezone":                 "UTC",
	"lc_messages":                  "C",
	"default_text_search_config":   "pg_catalog.simple",
}

// New makes a cluster and starts it. The caller closes it.
func New(o Options) (*Cluster, error) {
	c, err := newCluster(o)
	if err != nil {
		return nil, err
	}
	// -a keeps what initdb has made, and who owns it.
	if err := c.home.run("cp", "-a", "--reflink=auto", filepath.Join(c.home.dir, "template")+"/.", c.dir); err != nil {
		return nil, errors.Join(fmt.Errorf("copying the template: %w", err), c.Close())
	}
	if o.SegmentMiB != 0 {
		if err := c.home.run("pg_resetwal", "--wal-segsize", fmt.Sprint(o.SegmentMiB), "-D", c.dir); err != nil {
			return nil, errors.Join(fmt.Errorf("setting the size of segments: %w", err), c.Close())
		}
	}
	return c, c.begin()
}

// newCluster makes the directories of a cluster, and no files.
func newCluster(o Options) (*Cluster, error) {
	h, err := ours()
	if err != nil {
		return nil, fmt.Errorf("looking for PostgreSQL: %w", err)
	}
	c := &Cluster{home: h, options: o, dir: o.Dir}
	c.sockets = filepath.Join(h.dir, h.next("c"))
	if err := h.mkdir(c.sockets); err != nil {
		return nil, fmt.Errorf("making a directory for a socket: %w", err)
	}
	if c.dir == "" {
		c.dir = filepath.Join(c.sockets, "data")
	}
	if err := h.mkdir(c.dir); err != nil {
		return nil, fmt.Errorf("making the directory of a cluster: %w", err)
	}
	return c, nil
}

// begin starts a new cluster on a port that is free. Another process may take the port
// first; then there are others.
func (c *Cluster) begin(extra ...string) error {
	const tries = 5
	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return errors.Join(err, c.Close())
		}
		c.port = port
		if err := c.configure(extra...); err != nil {
			return errors.Join(fmt.Errorf("writing postgresql.conf: %w", err), c.Close())
		}
		err = c.Start()
		if err == nil {
			return nil
		}
		if try == tries || !strings.Contains(c.LogTail(), "Address already in use") {
			return errors.Join(err, c.Close())
		}
	}
}

// configure writes postgresql.conf. Lines of extra come last.
func (c *Cluster) configure(extra ...string) error {
	settings := maps.Clone(small)
	settings["port"] = fmt.Sprint(c.port)
	settings["unix_socket_directories"] = c.sockets
	if host := c.options.Network.Host; host != "" {
		settings["listen_addresses"] = host
		if err := c.home.write(filepath.Join(c.dir, "pg_hba.conf"), openToAll); err != nil {
			return err
		}
	}
	if c.options.NoSync {
		settings["fsync"] = "off"
	}
	maps.Copy(settings, c.options.Settings)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s = %s\n", name, quote(settings[name]))
	}
	for _, line := range extra {
		text.WriteString(line + "\n")
	}
	return c.home.write(filepath.Join(c.dir, "postgresql.conf"), text.String())
}

// openToAll is pg_hba.conf of a cluster that is on a network of its test's own.
const openToAll = `local all all trust
local replication all trust
host all all all trust
host replication all all trust
`

// quote makes a text of SQL, and of postgresql.conf, of s.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// handed holds the ports that freePort has returned, each of which is its cluster's for
// good, also while the cluster does not run.
var handed sync.Map

// freePort returns a port that nobody listens on. Below 32768 no connection is given it
// as its own end.
func freePort() (int, error) {
	for range 1000 {
		port := 12000 + rand.N(20000)
		if _, taken := handed.LoadOrStore(port, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port between 12000 and 32000")
}

// Close kills the cluster and removes what the package has made of its files.
func (c *Cluster) Close() error {
	err := c.Kill()
	if removeErr := os.RemoveAll(c.sockets); removeErr != nil {
		err = errors.Join(err, fmt.Errorf("removing a cluster: %w", removeErr))
	}
	return err
}

// LogTail is the end of what the server has logged, for a message about a failure. Lines
// may quote statements.
func (c *Cluster) LogTail() string { return tail(c.logFile()) }

func (c *Cluster) logFile() string { return filepath.Join(c.sockets, "log") }

func tail(file string) string {
	const most = 4096
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}
