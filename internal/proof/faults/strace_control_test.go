//go:build linux && amd64

package faults

import (
	"encoding/json"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// control is a test's hold on one traced process.
type control struct {
	t     *testing.T
	ln    net.Listener
	first order

	mu      sync.Mutex
	out     *json.Encoder
	pid     int
	acks    int
	calls   []stopped // since the last order
	before  []stopped // those of the order before, when it ended
	ended   bool
	changed chan struct{}
}

// newControl awaits a process that is started with wrap. The first order is in
// force before the process does anything.
func newControl(t *testing.T, first order) *control {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &control{t: t, ln: ln, first: first, changed: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.listen()
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return c
}

// wrap is a command line that runs another one traced.
func (c *control) wrap(argv []string) []string {
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	return append([]string{"/usr/bin/env", beTracer + "=" + c.ln.Addr().String(), self}, argv...)
}

// listen takes what the tracer tells until its end.
func (c *control) listen() {
	conn, err := c.ln.Accept()
	if err != nil {
		return // The process never started.
	}
	defer conn.Close()
	defer c.note(func() { c.ended = true })
	c.note(func() { c.out = json.NewEncoder(conn) })
	if err := c.out.Encode(c.first); err != nil {
		return
	}
	in := json.NewDecoder(conn)
	for {
		var s stopped
		if err := in.Decode(&s); err != nil {
			return
		}
		c.note(func() {
			switch {
			case s.Pid > 0:
				c.pid = s.Pid
			case s.Ack:
				c.acks++
				c.before, c.calls = c.calls, nil
			default:
				c.calls = append(c.calls, s)
			}
		})
	}
}

func (c *control) note(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

// order replaces the order in force, and lets go what it held. Counting begins
// anew. It is false if the process has ended.
func (c *control) order(o order) bool {
	c.t.Helper()
	c.mu.Lock()
	out, want := c.out, c.acks+1
	c.mu.Unlock()
	if out == nil {
		c.t.Fatal("an order before the process was started")
	}
	if err := out.Encode(o); err != nil {
		return false
	}
	c.await("the order to be obeyed", func() bool { return c.acks >= want || c.ended })
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acks >= want
}

// finish ends the order in force and returns all that it has counted, and
// whether the process lives.
func (c *control) finish() (calls []stopped, alive bool) {
	c.t.Helper()
	alive = c.order(order{})
	c.mu.Lock()
	defer c.mu.Unlock()
	if alive {
		return c.before, true
	}
	return c.calls, false
}

// await waits for a condition, which is asked with the lock held.
func (c *control) await(what string, done func() bool) {
	c.t.Helper()
	if !c.awaitFor(proctest.Patience, done) {
		c.t.Fatalf("still waiting for %s after %s", what, proctest.Patience)
	}
}

// awaitFor is await with a time of its own, and says whether the condition came.
func (c *control) awaitFor(patience time.Duration, done func() bool) bool {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		c.mu.Lock()
		ok, changed := done(), c.changed
		c.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-timeout.C:
			return false
		}
	}
}

// awaitDone waits until something was done to n calls, or the process has ended,
// and says which it is.
func (c *control) awaitDone(n int) bool {
	c.t.Helper()
	c.await("calls to fail", func() bool { return c.ended || len(c.done()) >= n })
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.done()) >= n
}

// done are the calls to which something was done; mu is held.
func (c *control) done() (all []stopped) {
	for _, s := range c.calls {
		if s.Did != watchCall {
			all = append(all, s)
		}
	}
	return all
}
