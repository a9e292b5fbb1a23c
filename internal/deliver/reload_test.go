package deliver

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Reloads at random moments, also between Accept and Offer: nothing runs
// twice, nothing idles for more than a second, and max_in_flight holds.
func TestReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) { reloads(t, seed) })
	}
}

func reloads(t *testing.T, seed uint64) {
	const limit = 4
	random := rand.New(rand.NewPCG(seed, 1))
	pause := func(most time.Duration) time.Duration { return time.Duration(random.Int64N(int64(most))) }
	var mu sync.Mutex
	began := map[int64]time.Time{}
	r := newRig(t, nil)
	r.setAnswer(func(_ context.Context, a Attempt) Answer {
		mu.Lock()
		if _, twice := began[a.Delivery.Lease.Delivery]; twice {
			t.Errorf("seed %d: delivery %d ran twice", seed, a.Delivery.Lease.Delivery)
		}
		began[a.Delivery.Lease.Delivery] = time.Now()
		mu.Unlock()
		time.Sleep(time.Duration(a.Delivery.Lease.Delivery%40) * time.Millisecond)
		return status(200)
	})
	r.store.latency = 3 * time.Millisecond
	next := func() *Dispatcher {
		return r.make(route(func(r *Route) { r.MaxInFlight = limit }))
	}
	// As in Caddy: handlers accept with the dispatcher of their configuration,
	// which may not have started yet, or have been stopped.
	var all []*Dispatcher
	cur := next()
	cur.Start()
	all = append(all, cur)
	var senders sync.WaitGroup
	for range 12 {
		for range 10 {
			d := cur
			senders.Go(func() { _ = r.send(d) })
			time.Sleep(pause(12 * time.Millisecond))
		}
		old := cur
		cur = next()
		if random.IntN(2) == 0 {
			cur.Start()
			time.Sleep(pause(5 * time.Millisecond))
			old.Stop()
		} else {
			old.Stop()
			time.Sleep(pause(5 * time.Millisecond))
			cur.Start()
		}
		all = append(all, cur)
	}
	senders.Wait()
	time.Sleep(2 * time.Second)
	r.end(all...)
	wantNoneIdle(t, r, seed, began)
	if n := r.mostInFlight(); n > limit {
		t.Errorf("seed %d: %d in flight over the generations", seed, n)
	}
}

func wantNoneIdle(t *testing.T, r *rig, seed uint64, began map[int64]time.Time) {
	if n := r.store.inState(spool.Delivered); n != 120 {
		t.Errorf("seed %d: %d of 120 delivered, %d running", seed, n, r.store.inState(spool.Running))
	}
	for n := range int64(120) {
		if got := r.store.row(n + 1); began[got.number].Sub(got.event.Received) > time.Second {
			t.Errorf("seed %d: delivery %d idled", seed, got.number)
		}
	}
}

func TestMaxInFlightOverGenerations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, next, want int }{{4, 4, 4}, {4, 2, 4}, {2, 6, 6}} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(ctx context.Context, a Attempt) Answer {
				time.Sleep(5 * time.Second)
				return status(200)
			})
			limit := func(n int) func(*Config) { return route(func(r *Route) { r.MaxInFlight = n }) }
			d1 := r.start(limit(c.old))
			synctest.Wait()
			r.mustSend(d1, 30)
			time.Sleep(time.Second)
			d2 := r.start(limit(c.next))
			d1.Stop()
			time.Sleep(time.Second)
			if n := r.mostInFlight(); n != c.want {
				t.Errorf("%d, then %d: %d in flight, want %d", c.old, c.next, n, c.want)
			}
			time.Sleep(5 * time.Second)
			r.forgetMost()
			time.Sleep(10 * time.Second)
			if n := r.mostInFlight(); n != c.next {
				t.Errorf("%d, then %d: later %d in flight", c.old, c.next, n)
			}
			time.Sleep(2 * time.Minute)
			r.end(d1, d2)
			r.wantDelivered(30)
			if len(r.slots.routes) != 0 {
				t.Error("slots are left")
			}
		})
	}
}

// Both run for a while: the old one, which has enough to do, must not keep more
// slots than the new configuration allows.
func TestANewerSmallerLimitIsKeptByTheOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(context.Context, Attempt) Answer { time.Sleep(time.Second); return status(200) })
		d1 := r.start(route(func(r *Route) { r.MaxInFlight = 8 }))
		synctest.Wait()
		r.mustSend(d1, 60)
		d2 := r.start(route(func(r *Route) { r.MaxInFlight = 2 }))
		time.Sleep(1500 * time.Millisecond)
		r.forgetMost()
		time.Sleep(5 * time.Second)
		if n := r.mostInFlight(); n != 2 {
			t.Errorf("%d in flight, want 2", n)
		}
		d3 := r.start(route(func(r *Route) { r.MaxInFlight = 20 }))
		time.Sleep(500 * time.Millisecond)
		if n := r.mostInFlight(); n < 8 {
			t.Errorf("%d in flight after the limit was raised", n)
		}
		time.Sleep(time.Minute)
		r.end(d1, d2, d3)
		r.wantDelivered(60)
	})
}

func TestStopReturnsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, hang, 10, route(func(r *Route) { r.MaxInFlight, r.Timeout = 2, time.Minute }))
		time.Sleep(time.Second)
		before := time.Now()
		d.Stop()
		d.Stop()
		if took := time.Since(before); took != 0 {
			t.Errorf("Stop took %v", took)
		}
		time.Sleep(time.Millisecond)
		if run, free := r.store.inState(spool.Running), r.store.inState(spool.Available); run != 2 || free != 8 {
			t.Errorf("%d running, %d given back, want 2 and 8", run, free)
		}
		if d.Reserve(app) {
			t.Error("reserves after Stop")
		}
		r.end(d) // their own timeout ends them
		if n := r.store.inState(spool.Retrying); n != 2 {
			t.Errorf("%d retrying", n)
		}
		if got := r.store.row(1); got.attempts != 1 {
			t.Errorf("%d attempts", got.attempts)
		}
	})
}

func TestDrainCancelsAndCountsNothing(t *testing.T) {
	t.Parallel()
	for name, deaf := range map[string]bool{"upstream returns": false, "upstream hangs for ever": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				over := make(chan struct{})
				r, d := startRig(t, func(ctx context.Context, a Attempt) Answer {
					if deaf {
						<-over
					}
					return hang(ctx, a)
				}, 3, route(func(r *Route) { r.Timeout = time.Hour }))
				time.Sleep(time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				before := time.Now()
				err := d.Drain(ctx)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
				if took := time.Since(before); took > 5*time.Second+cutGrace {
					t.Errorf("took %v", took)
				}
				for n := range int64(3) {
					if got := r.wantState(n+1, spool.Available); got.attempts != 0 || len(got.log) != 0 {
						t.Errorf("%d attempts, %d in the log", got.attempts, len(got.log))
					}
				}
				close(over)
				synctest.Wait()
				if n := r.store.inState(spool.Available); n != 3 {
					t.Errorf("%d available after the upstream returned", n)
				}
			})
		})
	}
}

func TestDrainKeepsASuccessThatCameTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, func(ctx context.Context, a Attempt) Answer { <-ctx.Done(); return status(200) }, 1, route(func(r *Route) { r.Timeout = time.Hour }))
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = d.Drain(ctx)
		r.wantState(1, spool.Delivered)
	})
}

func TestStoppedUnstarted(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	d := r.make()
	if d.Reserve(app) {
		t.Error("reserves before Start")
	}
	d.Stop()
	d.Start()
	if d.Reserve(app) {
		t.Error("starts after Stop")
	}
	r.end(d)
}

func TestOfferAfterStopIsGivenBackAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, always(status(200)))
		old, cur := r.start(), r.start()
		synctest.Wait()
		if !old.Reserve(app) {
			t.Fatal("no room")
		}
		rc, err := r.store.Accept(t.Context(), spool.Intake{
			Event: &spool.Event{Source: "inbox"}, Owner: old.Owner(), LeaseFor: old.LeaseFor(),
			Routes: []spool.RouteWish{{Route: app.Route, Start: true}},
		})
		must(t, err)
		old.Stop()
		old.Offer(rc.Running[0], time.Now())
		time.Sleep(time.Millisecond)
		r.wantState(1, spool.Delivered)
		r.end(old, cur)
		if r.nTries() != 1 || r.store.released != 1 {
			t.Errorf("%d attempts, %d released", r.nTries(), r.store.released)
		}
	})
}
