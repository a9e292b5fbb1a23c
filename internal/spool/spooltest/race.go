package spooltest

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// running counts what is being run, as the upstreams see it.
type running struct {
	mu    sync.Mutex
	now   map[string]bool
	ended map[string]int
}

func (n *running) begin(t testing.TB, d spool.Delivery) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id := d.Event.ID + d.Route.Route
	if n.now[id] {
		t.Errorf("delivery %s is run twice at the same time", id)
	}
	n.now[id] = true
}

func (n *running) end(d spool.Delivery, ended int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id := d.Event.ID + d.Route.Route
	n.now[id] = false
	n.ended[id] += ended
}

// ownersAtOnce has two dispatchers and four handlers call the store at the same
// time. The clock stands still, so no lease runs out and no attempt is counted
// that was not made.
func ownersAtOnce(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	runAtOnce(t, r, r)
}

// runAtOnce has the handlers and dispatchers of two owners each call a store of theirs.
func runAtOnce(t testing.TB, stores ...*rig) {
	const handlers, events = 4, 25
	r := stores[0]
	n := &running{now: map[string]bool{}, ended: map[string]int{}}
	var handling, dispatching sync.WaitGroup
	var noMore atomic.Bool
	for h := range handlers {
		handling.Go(func() {
			for i := range events {
				in := starting(intake(r.event(fmt.Sprint(h, " ", i, " ")), "a", "b"), spool.Owner(fmt.Sprint("owner ", i%2)))
				got, err := stores[i%2].st.Accept(bg, in)
				if err != nil || got.Verdict != spool.Accepted {
					t.Errorf("Accept: %v, %v", got.Verdict, err)
					return
				}
				for _, d := range got.Running {
					n.begin(t, d)
					stores[i%2].finish(n, d, i%3)
				}
			}
		})
	}
	for o := range 2 {
		for _, route := range []string{"a", "b"} {
			dispatching.Go(func() {
				stores[o].dispatch(n, spool.Owner(fmt.Sprint("owner ", o)), route, &noMore)
			})
		}
	}
	handling.Wait()
	noMore.Store(true)
	dispatching.Wait()
	// What one dispatcher gave back after the other had gone is left.
	for _, route := range []string{"a", "b"} {
		for _, d := range r.lease(route, handlers*events) {
			n.begin(t, d)
			r.finish(n, d, 1)
		}
	}
	for id, ended := range n.ended {
		if ended != 1 {
			t.Errorf("delivery %s ended %d times", id, ended)
		}
	}
	if len(n.ended) != 2*handlers*events {
		t.Errorf("%d deliveries were run, want %d", len(n.ended), 2*handlers*events)
	}
	for _, route := range []string{"a", "b"} {
		if st := r.route(route); st.Waiting != 0 || st.Running != 0 || st.Dead != 0 {
			t.Errorf("route is %+v, want it empty", st)
		}
	}
}

// dispatch leases and ends deliveries until no more come.
func (r *rig) dispatch(n *running, o spool.Owner, route string, noMore *atomic.Bool) {
	for last := false; ; {
		b, err := r.st.Lease(bg, spool.Pick{Owner: o, Route: key(route), N: 4, LeaseFor: leaseFor})
		if err != nil {
			r.Errorf("Lease: %v", err)
			return
		}
		for i, d := range b.Deliveries {
			n.begin(r.TB, d)
			r.finish(n, d, i+1)
		}
		if len(b.Deliveries) > 0 {
			continue
		}
		if last {
			return
		}
		last = noMore.Load()
		runtime.Gosched()
	}
}

// finish gives a delivery back where how is 0, and else ends it well.
func (r *rig) finish(n *running, d spool.Delivery, how int) {
	ended := min(how, 1)
	n.end(d, ended)
	var err error
	if how == 0 {
		err = r.st.Release(bg, []spool.Lease{d.Lease})
	} else {
		err = r.st.Settle(bg, r.ended(d))
	}
	if err != nil {
		r.Errorf("ending a delivery: %v", err)
	}
	if d.Attempts != 0 {
		r.Errorf("event %s has %d attempts behind it, want none", d.Event.ID, d.Attempts)
	}
}
