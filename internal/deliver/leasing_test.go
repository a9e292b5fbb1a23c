package deliver

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func TestLongAttemptsExtendTheirLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(context.Context, Attempt) Answer { time.Sleep(10 * LeaseFor); return status(200) })
		d := r.start(route(func(r *Route) { r.MaxInFlight, r.Timeout = 1, time.Hour }))
		rival := r.start() // would take over what runs out
		synctest.Wait()
		r.mustSend(d, 2) // the second waits in memory for the slot
		time.Sleep(25 * LeaseFor)
		r.end(d, rival)
		if r.nTries() != 2 || r.store.inState(spool.Delivered) != 2 || d.LeasesLost() != 0 {
			t.Errorf("%d attempts, %d delivered, %d leases lost", r.nTries(), r.store.inState(spool.Delivered), d.LeasesLost())
		}
	})
}

func TestALostLeaseSettlesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, func(context.Context, Attempt) Answer { time.Sleep(time.Minute); return status(200) }, 2, route(func(r *Route) { r.MaxInFlight, r.Timeout = 1, time.Hour }))
		time.Sleep(time.Second)
		r.store.mu.Lock()
		for _, row := range r.store.rows { // as if taken over, and settled there
			row.fence, row.state = row.fence+100, spool.Dead
		}
		r.store.mu.Unlock()
		time.Sleep(2 * time.Minute)
		r.end(d)
		if d.LeasesLost() != 2 || r.nTries() != 1 {
			t.Errorf("%d leases lost, %d attempts; the one that waited must not begin", d.LeasesLost(), r.nTries())
		}
		r.wantState(1, spool.Dead)
	})
}

func TestSettlesOutliveAStoreThatFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fails time.Duration
		tries int // of the upstream
	}{{"for less than the lease", LeaseFor / 2, 1}, {"for longer", 2 * LeaseFor, 2}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, d := startRig(t, func(context.Context, Attempt) Answer { time.Sleep(time.Second); return status(200) }, 1)
				r.store.setFail(errDisk)
				time.Sleep(c.fails)
				r.store.setFail(nil)
				time.Sleep(time.Minute)
				r.end(d)
				r.wantState(1, spool.Delivered)
				if r.nTries() != c.tries {
					t.Errorf("%d attempts", r.nTries())
				}
				if most := int(c.fails/time.Second) * 6; r.store.failed > most {
					t.Errorf("asked the failing store %d times", r.store.failed)
				}
			})
		})
	}
}

func TestStartWithAFailingStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, always(status(200)))
		r.backlog(3, 10)
		r.store.setFail(errDisk)
		d := r.start()
		time.Sleep(time.Minute)
		r.store.setFail(nil)
		time.Sleep(3 * time.Second)
		r.end(d)
		r.wantDelivered(3)
	})
}

func TestMemoryIsBoundedByTheRouteNotTheBacklog(t *testing.T) {
	t.Parallel()
	backlog := 100_000
	if testing.Short() {
		backlog = 10_000
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(context.Context, Attempt) Answer { time.Sleep(time.Millisecond); return status(200) })
		r.backlog(backlog, 100)
		d := r.start()
		for range 120 {
			time.Sleep(time.Second)
			if r.store.inState(spool.Delivered) == backlog {
				break
			}
		}
		r.end(d)
		r.wantDelivered(backlog)
		if most := 2 * DefaultMaxInFlight; r.store.leaseMax > most {
			t.Errorf("%d leased at once, want at most %d", r.store.leaseMax, most)
		}
		if r.mostInFlight() > DefaultMaxInFlight {
			t.Errorf("%d in flight", r.mostInFlight())
		}
	})
}

func TestLargeBodiesAreLeasedByTheirBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		r := newRig(t, func(context.Context, Attempt) Answer { time.Sleep(time.Second); return status(200) })
		r.backlog(300, size)
		d := r.start(route(func(r *Route) { r.MaxInFlight = 1 }))
		time.Sleep(time.Minute)
		l := d.workers[app]
		l.mu.Lock()
		if l.queue.bytes > maxQueuedBytes {
			t.Errorf("%d bytes wait in memory", l.queue.bytes)
		}
		l.mu.Unlock()
		// What is born running keeps to the bound as well.
		for range 40 {
			must(t, r.sendAs(d, &spool.Event{Source: "inbox", Request: spool.Request{Body: make([]byte, size)}}, other, app))
		}
		time.Sleep(10 * time.Minute)
		r.end(d)
		r.wantDelivered(340)
	})
}

func TestReservationsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hang)
		d := r.start(route(func(r *Route) { r.MaxInFlight = 8 }))
		synctest.Wait()
		n := 0
		for d.Reserve(app) {
			n++
		}
		if n != 8+minQueued {
			t.Errorf("%d reservations", n)
		}
		for range n {
			d.Unreserve(app)
		}
		if d.Reserve(other) {
			t.Error("an unknown route reserves")
		}
		r.end(d)
	})
}

func TestAHangingUpstreamHurtsNoOtherRoute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var served atomic.Int64
		r := newRig(t, hang)
		d := r.start(func(c *Config) {
			c.Routes = append(c.Routes, Route{Key: other, Upstream: UpstreamFunc(func(context.Context, Attempt) Answer {
				served.Add(1)
				return status(200)
			})})
		})
		synctest.Wait()
		for n := range int64(1000) {
			must(t, r.send(d, app, other))
			time.Sleep(time.Millisecond)
			if got := served.Load(); got != n+1 {
				t.Fatalf("%d of %d served beside a hanging route", got, n+1)
			}
		}
		time.Sleep(30 * time.Second)
		if r.mostInFlight() > DefaultMaxInFlight {
			t.Errorf("%d in flight", r.mostInFlight())
		}
		if r.store.held(app) == nil {
			t.Error("the hanging route is not held")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		must(t, d.Drain(ctx))
	})
}
