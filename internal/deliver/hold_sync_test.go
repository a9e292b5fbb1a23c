package deliver

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

var refused = Answer{Reach: Unreached, Err: errors.New("connection refused")}

func TestUnreachedHoldsAndUsesNoAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, always(refused), 1)
		time.Sleep(2*time.Second + time.Millisecond)
		h := r.store.held(app)
		if h == nil || h.Reason != "connection refused" || h.ByHand {
			t.Fatalf("hold %+v after three never reached", h)
		}
		if d.Reserve(app) {
			t.Error("a held route reserves")
		}
		time.Sleep(40 * time.Hour)
		r.setAnswer(always(status(400))) // any other answer resumes
		time.Sleep(15 * time.Second)
		if r.store.held(app) != nil {
			t.Error("still held after an answer")
		}
		if !d.Reserve(app) {
			t.Error("a resumed route does not reserve")
		}
		d.Unreserve(app)
		r.setAnswer(always(status(200)))
		time.Sleep(time.Hour)
		r.end(d)
		if got := r.wantState(1, spool.Delivered); got.attempts != 2 {
			t.Errorf("%d attempts counted, want the 400 and the 200", got.attempts)
		}
		var at []time.Duration
		for _, try := range r.triesOf(1)[:10] {
			at = append(at, try.at/time.Second)
		}
		// Three tries one second apart, then probes after 1, 2, 4, 8, 15, 15 … s.
		if want := []time.Duration{0, 1, 2, 3, 5, 9, 17, 32, 47, 62}; !slices.Equal(at, want) {
			t.Errorf("attempts after %v s, want %v", at, want)
		}
	})
}

func TestProbesTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, always(refused), 3)
		time.Sleep(500 * time.Millisecond)
		if r.store.held(app) == nil {
			t.Fatal("not held")
		}
		n := r.nTries()
		time.Sleep(2 * time.Minute)
		tries := r.allTries()
		for i, try := range tries[n:] {
			if want := tries[n].delivery%3 + 1; i == 1 && try.delivery != want {
				t.Errorf("second probe with delivery %d, want %d", try.delivery, want)
			}
			if i >= 3 && try.delivery != tries[n+i-3].delivery {
				t.Errorf("probe %d with delivery %d out of turn", i, try.delivery)
			}
		}
		r.setAnswer(always(status(200)))
		time.Sleep(time.Minute)
		r.end(d)
		for n := range int64(3) {
			if got := r.wantState(n+1, spool.Delivered); got.attempts != 1 {
				t.Errorf("delivery %d: %d attempts counted", n+1, got.attempts)
			}
		}
	})
}

// onlyFirst answers that to the first delivery, and takes all others.
func onlyFirst(poison Answer) func(context.Context, Attempt) Answer {
	return func(_ context.Context, a Attempt) Answer {
		if a.Delivery.Lease.Delivery == 1 {
			return poison
		}
		return status(200)
	}
}

func TestOnePoisonEventAmongGoodOnes(t *testing.T) {
	t.Parallel()
	for name, poison := range map[string]Answer{"cut": {Reach: Broken}, "503": status(503)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, onlyFirst(poison))
				d := r.start()
				synctest.Wait()
				for range 180 {
					r.mustSend(d, 1)
					time.Sleep(time.Minute)
				}
				r.end(d)
				if r.store.holds(app) != 0 {
					t.Error("the route was held")
				}
				if got := r.wantState(1, spool.Dead); got.attempts != 6 {
					t.Errorf("%d attempts", got.attempts)
				}
				r.wantDelivered(179)
			})
		})
	}
}

// With no other event to tell the difference, a poison event looks like an
// outage. It is held, and yet it ends by its own schedule.
func TestOnePoisonEventAlone(t *testing.T) {
	t.Parallel()
	for name, poison := range map[string]Answer{"cut": {Reach: Broken}, "503": status(503)} {
		for _, restart := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { poisonAlone(t, poison, restart) })
			})
		}
	}
}

func poisonAlone(t *testing.T, poison Answer, restart bool) {
	r, d := startRig(t, onlyFirst(poison), 1)
	time.Sleep(time.Hour + 5*time.Second) // between two probes
	if got := r.wantState(1, spool.Retrying); got.attempts != 5 || r.store.held(app) == nil {
		t.Errorf("%d attempts, hold %v after 1 h, want 5 and held", got.attempts, r.store.held(app))
	}
	if restart {
		r.end(d)
		d = r.start()
	}
	time.Sleep(3 * time.Hour)
	if got := r.wantState(1, spool.Dead); got.attempts != 6 || got.ended.Sub(r.began) < table[5] {
		t.Errorf("dead after %v and %d attempts", got.ended.Sub(r.began), got.attempts)
	}
	// The next event finds the route held, and is its probe.
	r.mustSend(d, 1)
	time.Sleep(time.Second)
	r.wantState(2, spool.Delivered)
	if r.store.held(app) != nil {
		t.Error("held for ever")
	}
	r.end(d)
}

func TestFourHourOutage(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]Answer{"refused": refused, "503": status(503), "timeout": {Reach: Broken}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, always(down))
				d := r.start()
				synctest.Wait()
				for range 4 {
					r.mustSend(d, 1)
					time.Sleep(time.Hour)
				}
				if n := r.store.inState(spool.Dead); n != 0 {
					t.Errorf("%d dead", n)
				}
				r.setAnswer(always(status(200)))
				time.Sleep(16 * time.Second)
				r.end(d)
				r.wantDelivered(4)
			})
		})
	}
}

func TestHoldSurvivesReloadAndRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, always(refused), 3)
		time.Sleep(time.Minute)
		before := *r.store.held(app)
		r.end(d)
		r.slots = NewSlots() // a restart has new ones
		tries := r.nTries()
		d = r.start()
		synctest.Wait()
		if d.Reserve(app) {
			t.Error("the next dispatcher reserves on a held route")
		}
		time.Sleep(31 * time.Second)
		if n := r.nTries() - tries; n < 2 || n > 3 {
			t.Errorf("%d probes in 31 s", n)
		}
		if h := r.store.held(app); h.Since != before.Since || h.Probes <= before.Probes {
			t.Errorf("hold %+v, was %+v", h, before)
		}
		r.setAnswer(always(status(200)))
		time.Sleep(16 * time.Second)
		r.end(d)
		r.wantDelivered(3)
	})
}

func TestCatchingUpIsBoundedAndPrompt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, always(refused), 400, route(func(r *Route) { r.MaxInFlight = 4 }))
		time.Sleep(time.Hour)
		r.forgetMost()
		r.setAnswer(func(_ context.Context, a Attempt) Answer {
			time.Sleep(10 * time.Millisecond)
			if a.Delivery.Lease.Delivery%10 == 0 && a.N < 3 {
				return status(500)
			}
			return status(200)
		})
		time.Sleep(17 * time.Second)
		r.wantDelivered(360)
		if r.mostInFlight() > 4 {
			t.Errorf("%d in flight", r.mostInFlight())
		}
		for n := range int64(40) {
			if got := r.wantState(10*n+10, spool.Retrying); got.attempts != 1 {
				t.Errorf("%d attempts in one catching up", got.attempts)
			}
		}
		time.Sleep(time.Hour)
		r.end(d)
		r.wantDelivered(400)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
