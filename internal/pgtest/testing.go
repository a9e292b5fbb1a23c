//go:build linux

package pgtest

import (
	"os"
	"strings"
	"sync"
	"testing"
)

// Need skips the test where PostgreSQL is missing. With CI set, or when it is named in
// INBOXGATE_REQUIRE, that fails the test instead.
func Need(t testing.TB) {
	t.Helper()
	_, err := find()
	need(t, "postgresql", err)
}

func need(t testing.TB, thing string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") != "" || strings.Contains(os.Getenv("INBOXGATE_REQUIRE"), thing):
		t.Fatalf("this test needs %v, which this machine does not have", err)
	default:
		t.Skipf("this test needs %v, which this machine does not have", err)
	}
}

// Start makes a cluster for one test. A test that needs no more than a database uses
// Shared.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	Need(t)
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, "PostgreSQL", c)
	return c
}

// StartStandby makes a standby of c for one test.
func StartStandby(t testing.TB, c *Cluster, name string) *Cluster {
	t.Helper()
	return StartStandbyAt(t, c, name, c.options.Network)
}

// StartStandbyAt is StartStandby with a place on the network.
func StartStandbyAt(t testing.TB, c *Cluster, name string, at Network) *Cluster {
	t.Helper()
	s, err := c.StandbyAt(name, at)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, "the standby "+name, s)
	return s
}

// StartBouncer starts a pgbouncer in front of c for one test. It skips as Need does.
func StartBouncer(t testing.TB, c *Cluster, o BouncerOptions) *Bouncer {
	t.Helper()
	_, err := findBouncer()
	need(t, "pgbouncer", err)
	b, err := NewBouncer(c, o)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, "pgbouncer", b)
	return b
}

// keep closes a server at the end of its test, and shows what it has logged if the test
// has failed.
func keep(t testing.TB, what string, server interface {
	Close() error
	LogTail() string
},
) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s logged last:\n%s", what, server.LogTail())
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}

var shared = sync.OnceValues(func() (*Cluster, error) { return New(Options{}) })

// Shared is the one cluster that all tests of this process share. Nobody stops it or
// changes what it is like: a test makes a database of its own in it.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	Need(t)
	c, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Database makes an empty database for one test and returns its address.
func (c *Cluster) Database(t testing.TB) (dsn string) {
	t.Helper()
	name, err := c.CreateDatabase()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !c.Running() { // Its files go with the cluster.
			return
		}
		if err := c.DropDatabase(name); err != nil {
			t.Error(err)
		}
	})
	return c.DSN(name)
}

// pairs are those that tests have given back.
var pairs struct {
	mu   sync.Mutex
	idle []*Pair
}

// TakePair gives a test a pair for its own, one that another has given back where there
// is one: databases of that are gone but for postgres, and no fault is left.
func TakePair(t testing.TB) *Pair {
	t.Helper()
	Need(t)
	pairs.mu.Lock()
	var p *Pair
	if n := len(pairs.idle); n > 0 {
		p, pairs.idle = pairs.idle[n-1], pairs.idle[:n-1]
	}
	pairs.mu.Unlock()
	if p == nil {
		var err error
		if p, err = NewPair(Options{}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the pair logged last:\n%s", p.LogTail())
		}
		if err := p.clean(); err != nil {
			t.Errorf("giving a pair back: %v", err)
			_ = p.Close()
			return
		}
		pairs.mu.Lock()
		defer pairs.mu.Unlock()
		pairs.idle = append(pairs.idle, p)
	})
	return p
}
