package deliver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest/memstore"
)

var byHand = spool.Hold{ByHand: true, Reason: "maintenance"}

// No attempt begins once Hold has returned: not of what is accepted then, nor of
// what is being leased, nor of what waits in memory for a slot.
func TestAnOperatorsHoldIsImmediate(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{0, 3 * time.Millisecond, 600 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			answers := make(chan Answer)
			r := newRig(t, func(context.Context, Attempt) Answer { return <-answers })
			d := r.start(route(func(r *Route) { r.MaxInFlight = 1 }))
			synctest.Wait()
			r.mustSend(d, 4) // One runs, the others wait for its slot.
			synctest.Wait()
			r.store.setLatency(2 * time.Millisecond)
			r.backlog(4, 10) // Reported; the lease is under way when the hold comes.
			time.Sleep(late)
			must(t, r.store.Hold(t.Context(), "", app, byHand))
			r.mustSend(d, 4)
			if d.Reserve(app) {
				d.Unreserve(app) // It may not know yet, but the store does.
			}
			answers <- status(200)
			time.Sleep(100 * time.Millisecond)
			if n, run := r.nTries(), r.store.inState(spool.Running); n != 1 || run != 0 {
				t.Errorf("held %v later: %d attempts, %d running, want the one that ran before, and 0", late, n, run)
			}
			time.Sleep(time.Hour)
			if n := r.nTries(); n != 1 {
				t.Errorf("held %v later: %d attempts in an hour", late, n)
			}
			r.setAnswer(always(status(200)))
			must(t, r.store.Resume(t.Context(), "", app))
			time.Sleep(2 * time.Second)
			r.end(d)
			if n := r.store.inState(spool.Delivered); n != 12 {
				t.Errorf("held %v later: %d of 12 delivered after the resume", late, n)
			}
		})
	}
}

// An operator's hold that comes while a probe is being leased stops the probe.
func TestAnOperatorsHoldStopsAProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, always(refused), 3)
		time.Sleep(1500 * time.Millisecond) // Probes come after 1 s and 3 s.
		before := r.nTries()
		r.store.setLatency(100 * time.Millisecond)
		time.Sleep(1450 * time.Millisecond)
		must(t, r.store.Hold(t.Context(), "", app, byHand))
		time.Sleep(time.Minute)
		if n, run := r.nTries(), r.store.inState(spool.Running); n != before || run != 0 {
			t.Errorf("%d attempts after the hold, %d running", n-before, run)
		}
		must(t, r.store.Resume(t.Context(), "", app))
		time.Sleep(2 * time.Second)
		if r.nTries() == before {
			t.Error("no attempt after the resume")
		}
		r.end(d)
	})
}

// Held and resumed before the dispatcher looked: what waits in memory goes on.
func TestAHoldAsShortAsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan Answer)
		r := newRig(t, func(context.Context, Attempt) Answer { return <-answers })
		d := r.start(func(c *Config) {
			c.Store, c.Routes[0].MaxInFlight = deaf{r.store}, 1
		})
		synctest.Wait()
		r.mustSend(d, 4)
		synctest.Wait()
		must(t, r.store.Hold(t.Context(), "", app, byHand))
		r.setAnswer(always(status(200)))
		answers <- status(200)
		synctest.Wait()
		if n := r.nTries(); n != 1 {
			t.Errorf("%d attempts, want the one before the hold", n)
		}
		must(t, r.store.Resume(t.Context(), "", app))
		time.Sleep(pollEvery + time.Second)
		r.end(d)
		r.wantDelivered(4)
	})
}

// A lease that ran out before its attempt began has no owner on a held route: it
// must not be running for as long as the hold lasts, nor count as an attempt.
func TestALeaseThatRanOutWaitsOnAHeldRoute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, hang, 2, route(func(r *Route) { r.MaxInFlight, r.Timeout = 1, 50*time.Second }))
		time.Sleep(time.Second)
		r.store.setFail(errDisk)
		time.Sleep(50 * time.Second) // No lease is extended; the first attempt ends, the second would begin.
		r.store.setFail(nil)
		must(t, r.store.Hold(t.Context(), "", app, byHand))
		time.Sleep(time.Minute)
		if got := r.wantState(2, spool.Available); got.attempts != 0 {
			t.Errorf("%d attempts counted", got.attempts)
		}
		must(t, r.store.Resume(t.Context(), "", app))
		r.end(d)
	})
}

// One dispatcher has leased ahead when the hold comes; it is stopped, another
// started, and a third whose load fails: all of it waits, and nothing begins.
func TestLeasedAheadHeldAndReloaded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openOn(t, memstore.Make()(t))
		answers := make(chan Answer)
		r := newRig(t, func(context.Context, Attempt) Answer { return <-answers })
		start := func() *Dispatcher {
			return r.start(func(c *Config) { c.Store, c.Routes[0].MaxInFlight = s, 1 })
		}
		first := start()
		synctest.Wait()
		for n := range 5 {
			acceptOn(t, s, first, fmt.Sprint("evt_", n))
		}
		synctest.Wait()
		must(t, s.Hold(t.Context(), "", app, byHand))
		second := start()
		first.Stop()
		third := start()
		third.Stop()
		acceptOn(t, s, first, "evt_old")
		acceptOn(t, s, second, "evt_new")
		answers <- status(200)
		synctest.Wait()
		states, err := s.Routes(t.Context())
		must(t, err)
		if st := states[0]; st.Running != 0 || st.Waiting != 6 || r.nTries() != 1 {
			t.Errorf("%d running, %d waiting, %d attempts; want 0, 6 and the 1 before the hold", st.Running, st.Waiting, r.nTries())
		}
		r.setAnswer(always(status(200)))
		must(t, s.Resume(t.Context(), "", app))
		time.Sleep(2 * time.Second)
		r.end(first, second, third)
		if n := r.nTries(); n != 7 {
			t.Errorf("%d attempts of 7 events", n)
		}
		must(t, s.Close())
	})
}

// slow lets each call of a store take a moment.
type slow struct {
	spool.Store
	pause func()
}

func (s *slow) Accept(ctx context.Context, in spool.Intake) (spool.Receipt, error) {
	s.pause()
	defer s.pause()
	return s.Store.Accept(ctx, in)
}

func (s *slow) Lease(ctx context.Context, p spool.Pick) (spool.Batch, error) {
	s.pause()
	defer s.pause()
	return s.Store.Lease(ctx, p)
}

func (s *slow) Release(ctx context.Context, ls []spool.Lease) error {
	s.pause()
	return s.Store.Release(ctx, ls)
}

func (s *slow) Settle(ctx context.Context, st spool.Settlement) error {
	s.pause()
	return s.Store.Settle(ctx, st)
}

func (s *slow) Routes(ctx context.Context) ([]spool.RouteState, error) {
	s.pause()
	defer s.pause()
	return s.Store.Routes(ctx)
}

// An operator holds a route while configurations are replaced, and some loads
// fail after their dispatcher began: no dispatcher keeps a lease or begins an
// attempt, and after the resume everything comes once.
func TestHeldByHandThroughReloads(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) { heldThroughReloads(t, seed) })
	}
}

func heldThroughReloads(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 7))
	pause := func() { time.Sleep(time.Duration(random.Int64N(int64(20 * time.Millisecond)))) }
	engine := openOn(t, memstore.Make()(t))
	lag := time.Duration(seed%4) * 3 * time.Millisecond
	s := &slow{engine, func() { time.Sleep(lag) }}
	r := newRig(t, func(context.Context, Attempt) Answer { time.Sleep(lag); return status(200) })
	var all []*Dispatcher
	start := func() *Dispatcher {
		d := r.start(func(c *Config) { c.Store = s; c.Routes[0].MaxInFlight = 1 + int(seed%2) })
		all = append(all, d)
		return d
	}
	var senders sync.WaitGroup
	cur, sent, tries := start(), 0, -1
	for step := range 20 {
		if random.IntN(3) == 0 {
			time.Sleep(2 * time.Second)
		}
		switch {
		case step == 7:
			must(t, s.Hold(t.Context(), "", app, byHand))
			synctest.Wait() // What has begun is under way.
			tries = r.nTries()
		case random.IntN(5) == 0: // A reload.
			old := cur
			cur = start()
			pause()
			old.Stop()
		case random.IntN(5) == 0: // One that fails.
			d := start()
			pause()
			d.Stop()
		default:
			d, id := all[len(all)-1-random.IntN(min(2, len(all)))], fmt.Sprint("evt_", sent)
			senders.Go(func() { acceptOn(t, s, d, id) })
			sent++
		}
		pause()
	}
	senders.Wait()
	time.Sleep(3 * time.Second)
	if n := r.nTries(); n != tries {
		t.Errorf("seed %d: %d attempts after the hold", seed, n-tries)
	}
	states, err := s.Routes(t.Context())
	must(t, err)
	if st := states[0]; st.Running != 0 || int(st.Waiting) != sent-tries {
		t.Errorf("seed %d: %d running, %d waiting of %d", seed, st.Running, st.Waiting, sent-tries)
	}
	must(t, s.Resume(t.Context(), "", app))
	time.Sleep(3 * time.Second)
	r.end(all...)
	if n := r.nTries(); n != sent {
		t.Errorf("seed %d: %d attempts of %d events", seed, n, sent)
	}
	must(t, s.Close())
}
