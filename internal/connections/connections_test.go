package connections

import (
	"net"
	"net/http"
	"testing"

	"pgregory.net/rapid"
)

// Whatever connections do, no queue is longer than the bound; only the one that has
// waited longest in a queue is ended, and none that works on a request; and nothing is
// kept of what is closed.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	if n := newQueues(241591910).max; n != 460 {
		t.Errorf("at 256 MiB the bound is %d", n)
	}
	if n := newQueues(1 << 20).max; n != 256 {
		t.Errorf("at 1 MiB the bound is %d", n)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := newQueues(0)
		s.max = rapid.IntRange(1, 4).Draw(t, "max")
		var conns []net.Conn
		states := make(map[net.Conn]http.ConnState)
		queue := make(map[http.ConnState][]net.Conn) // Oldest first.
		leave := func(c net.Conn) {
			for state, q := range queue {
				for i := range q {
					if q[i] == c {
						queue[state] = append(q[:i:i], q[i+1:]...)
						break
					}
				}
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			next := []http.ConnState{http.StateNew, http.StateActive, http.StateIdle, http.StateClosed, http.StateHijacked}
			state := rapid.SampledFrom(next).Draw(t, "state")
			var c net.Conn
			if state == http.StateNew || len(conns) == 0 {
				state = http.StateNew
				c, _ = net.Pipe()
				conns = append(conns, c)
			} else {
				c = rapid.SampledFrom(conns).Draw(t, "conn")
			}
			if states[c] == http.StateClosed || states[c] == http.StateHijacked {
				continue
			}
			states[c] = state
			leave(c)
			var want net.Conn
			if state == http.StateNew || state == http.StateIdle {
				queue[state] = append(queue[state], c)
				if q := queue[state]; len(q) > s.max {
					want, queue[state] = q[0], q[1:]
				}
			}
			if got := s.Changed(c, state); got != want {
				t.Fatalf("ended %p, want %p", got, want)
			}
			if s.fresh.n != len(queue[http.StateNew]) || s.idle.n != len(queue[http.StateIdle]) {
				t.Fatalf("%d and %d wait, want %d and %d", s.fresh.n, s.idle.n, len(queue[http.StateNew]), len(queue[http.StateIdle]))
			}
		}
		for _, c := range conns {
			s.Changed(c, http.StateClosed)
		}
		if len(s.all) != 0 || s.fresh.oldest != nil || s.idle.newest != nil {
			t.Fatalf("%d are kept", len(s.all))
		}
	})
}
