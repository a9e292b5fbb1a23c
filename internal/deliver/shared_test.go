package deliver

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// on makes a dispatcher one of that member's process.
func (m member) on(c *Config) { c.Store, c.Slots = m, NewSlots() }

// pair begins two members of one store, each with a dispatcher.
func (r *rig) pair(options ...func(*Config)) (ms []member, ds []*Dispatcher) {
	ms = membersOf(r.store, 2)
	for _, m := range ms {
		ds = append(ds, r.start(append(options, m.on)...))
	}
	synctest.Wait()
	return ms, ds
}

func TestAnOwnerIsKnownBefore(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	mine := NewOwner()
	if d := r.make(func(c *Config) { c.Owner = mine }); d.Owner() != mine {
		t.Errorf("owner %q, want %q", d.Owner(), mine)
	}
	if a, b := r.make().Owner(), r.make().Owner(); a == "" || a == b || a == mine {
		t.Errorf("owners %q and %q", a, b)
	}
}

// A member without a way to the app holds the route for itself: the other goes on, and
// each ends its own hold.
func TestAMemberHoldsForItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, always(status(200)))
		lost, cut := always(refused), true
		apart := UpstreamFunc(func(ctx context.Context, a Attempt) Answer {
			r.mu.Lock()
			now := cut
			r.mu.Unlock()
			if now {
				return lost(ctx, a)
			}
			return r.Attempt(ctx, a)
		})
		ms := membersOf(r.store, 2)
		well := r.start(ms[0].on)
		ill := r.start(ms[1].on, route(func(r *Route) { r.Upstream = apart }))
		synctest.Wait()
		r.mustSend(ill, 3)
		time.Sleep(3 * time.Second)
		if ms[1].heldHere(app) == nil || ill.Reserve(app) {
			t.Error("the member that reaches nothing goes on")
		}
		if ms[0].heldHere(app) != nil || !well.Reserve(app) {
			t.Fatal("the other holds with it")
		}
		well.Unreserve(app)
		time.Sleep(16 * time.Second)
		r.wantDelivered(3)
		r.mustSend(well, 10)
		time.Sleep(time.Second)
		r.wantDelivered(13)
		r.mu.Lock()
		cut = false
		r.mu.Unlock()
		for range 20 { // Its probes need an event each.
			_ = r.send(ill)
			time.Sleep(time.Second)
		}
		if ms[1].heldHere(app) != nil {
			t.Error("held after its way is back")
		}
		r.end(well, ill)
	})
}

// Each member probes; an operator's hold and resume are everybody's.
func TestMembersFollowAnOperator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, always(refused))
		ms, ds := r.pair()
		for i := range 12 {
			r.mustSend(ds[i%2], 1)
		}
		time.Sleep(20 * time.Second)
		for i, m := range ms {
			if m.heldHere(app) == nil {
				t.Errorf("member %d does not hold", i+1)
			}
		}
		before := r.nTries()
		time.Sleep(time.Minute)
		if n := r.nTries() - before; n < 7 || n > 9 {
			t.Errorf("%d probes in a minute, want four a member", n)
		}
		must(t, ms[0].Hold(t.Context(), "", app, byHand))
		time.Sleep(time.Second)
		before = r.nTries()
		time.Sleep(time.Hour)
		if n := r.nTries() - before; n > 0 {
			t.Errorf("%d attempts on a route held by hand", n)
		}
		r.setAnswer(always(status(200)))
		must(t, ms[1].Resume(t.Context(), "", app))
		time.Sleep(3 * time.Second)
		r.wantDelivered(12)
		if n := r.nTries() - before; n != 12 {
			t.Errorf("%d attempts for 12 deliveries", n)
		}
		r.end(ds...)
	})
}

// Two members that catch up together come to the end of the backlog, and not beyond: what
// fails waits for its schedule.
func TestMembersMakeOnePass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(context.Context, Attempt) Answer {
			time.Sleep(10 * time.Millisecond)
			return status(500)
		})
		r.backlog(200, 1)
		must(t, r.store.Hold(t.Context(), "", app, byHand))
		ms, ds := r.pair(route(func(r *Route) { r.MaxInFlight = 8 }))
		must(t, ms[0].Resume(t.Context(), "", app))
		time.Sleep(20 * time.Second) // The schedule's next attempts come after 30 s.
		for n := range int64(200) {
			if tries := len(r.triesOf(n + 1)); tries < 1 || tries > 2 {
				t.Fatalf("delivery %d: %d attempts in one pass of two members", n+1, tries)
			}
		}
		r.setAnswer(always(status(200)))
		time.Sleep(3 * time.Hour)
		r.end(ds...)
		r.wantDelivered(200)
	})
}

// max_in_flight and rate are shared by the members that live, and follow them.
func TestMembersShareTheBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit, live, want int
		each              bool
	}{{8, 2, 4, false}, {7, 2, 4, false}, {2, 5, 1, false}, {8, 2, 8, true}, {8, 1, 8, false}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(context.Context, Attempt) Answer {
					time.Sleep(3 * time.Second)
					return status(200)
				})
				r.backlog(60, 1)
				m := membersOf(r.store, c.live)[0]
				d := r.start(m.on, route(func(r *Route) { r.MaxInFlight, r.MaxInFlightEach = c.limit, c.each }))
				time.Sleep(time.Second)
				if n := r.mostInFlight(); n != c.want {
					t.Errorf("%d in flight, want %d", n, c.want)
				}
				m.setLive(1) // The others are gone.
				time.Sleep(10 * time.Second)
				if n := r.mostInFlight(); n != c.limit {
					t.Errorf("alone %d in flight, want %d", n, c.limit)
				}
				m.setLive(c.live)
				time.Sleep(5 * time.Second)
				r.forgetMost()
				time.Sleep(5 * time.Second)
				if n := r.mostInFlight(); n > c.want {
					t.Errorf("%d in flight after the others came back, want %d", n, c.want)
				}
				time.Sleep(4 * time.Minute)
				r.end(d)
				r.wantDelivered(60)
			})
		})
	}
}

func TestMembersShareARate(t *testing.T) {
	t.Parallel()
	for _, each := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, always(status(200)))
			ms := membersOf(r.store, 4)
			d := r.start(ms[0].on, route(func(r *Route) { r.Rate, r.Burst, r.RateEach = 40, 8, each }))
			synctest.Wait()
			want := Pace{Rate: 10, Burst: 2}
			if each {
				want = Pace{Rate: 40, Burst: 8}
			}
			if got := d.Pace(app); got != want {
				t.Errorf("each %v: pace %+v, want %+v", each, got, want)
			}
			ms[0].setLive(2)
			time.Sleep(1100 * time.Millisecond)
			if !each {
				want = Pace{Rate: 20, Burst: 4}
			}
			if got := d.Pace(app); got.Rate != want.Rate || got.Burst != want.Burst {
				t.Errorf("each %v: pace %+v with two members, want %+v", each, got, want)
			}
			r.end(d)
		})
	}
}

// The clock of a database may be hours off the machine's: deliveries begin, and come
// again when their schedule says, by the time that passes.
func TestTheClockOfADatabase(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, always(status(500)))
				r.store.ahead = off
				r.backlog(1, 1)
				_, ds := r.pair()
				time.Sleep(2700 * time.Millisecond) // Apart from the polls of each 5 s.
				r.mustSend(ds[0], 1)
				time.Sleep(40 * time.Second)
				for n := range int64(2) {
					tries := r.triesOf(n + 1)
					if len(tries) != 2 {
						t.Fatalf("%d attempts of %d in 40 s, want the first and one after 30 s", len(tries), n+1)
					}
					if gap := tries[1].at - tries[0].at; gap < 30*time.Second || gap > 32*time.Second {
						t.Errorf("%d came again after %v, want 30 s", n+1, gap)
					}
				}
				// The other member takes over what it has never seen, in time and
				// without asking all the time.
				r.end(ds[0])
				calls := r.store.calls()
				time.Sleep(90 * time.Second)
				if n := r.store.calls() - calls; n > 200 {
					t.Errorf("%d calls in 90 s in which nothing was due", n)
				}
				r.setAnswer(always(status(200)))
				time.Sleep(time.Minute)
				r.wantDelivered(2)
				for n := range int64(2) {
					tries := r.triesOf(n + 1)
					if gap := tries[2].at - tries[1].at; gap < 2*time.Minute || gap > 2*time.Minute+1500*time.Millisecond {
						t.Errorf("the other took %d over %v after it failed, want 2 min", n+1, gap)
					}
				}
				r.end(ds[1])
			})
		})
	}
}

// A store that is away for less than a lease lasts costs no second attempt. Away for
// longer, or answering never, it lets another member repeat the attempt: once.
func TestSettlesWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		away  time.Duration
		begin func(*fakeStore)
		end   func(*fakeStore)
		tries int
	}{
		{"fails shortly", 20 * time.Second, (*fakeStore).failAll, (*fakeStore).work, 1},
		{"fails long", 50 * time.Second, (*fakeStore).failAll, (*fakeStore).work, 2},
		{"settles fail long", 5 * time.Minute, (*fakeStore).failSettles, (*fakeStore).work, 1},
		{"hangs long", 50 * time.Second, (*fakeStore).hang, (*fakeStore).work, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(context.Context, Attempt) Answer {
					time.Sleep(time.Second)
					return status(200)
				})
				_, ds := r.pair()
				r.mustSend(ds[0], 1)
				time.Sleep(500 * time.Millisecond)
				c.begin(r.store)
				time.Sleep(c.away)
				c.end(r.store)
				time.Sleep(time.Minute)
				r.wantState(1, spool.Delivered)
				if n := r.nTries(); n != c.tries {
					t.Errorf("%d attempts, want %d", n, c.tries)
				}
				time.Sleep(time.Hour)
				if n := r.nTries(); n != c.tries {
					t.Errorf("%d attempts later", n)
				}
				for _, d := range ds {
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					must(t, d.Drain(ctx))
					cancel()
				}
			})
		})
	}
}

// A settle that comes after another member took the delivery over changes nothing, and
// is counted.
func TestALateSettleAfterATakeover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		first := true
		r.setAnswer(func(context.Context, Attempt) Answer {
			r.mu.Lock()
			mine := first
			first = false
			r.mu.Unlock()
			if mine {
				time.Sleep(50 * time.Second)
				return status(500)
			}
			return status(200)
		})
		_, ds := r.pair(route(func(r *Route) { r.Timeout = time.Minute }))
		r.mustSend(ds[0], 1)
		time.Sleep(time.Second)
		// The machine of the first is frozen for the store: its lease runs out.
		r.store.mu.Lock()
		r.store.rows[1].until = r.store.now()
		r.store.mu.Unlock()
		time.Sleep(10 * time.Second)
		r.wantState(1, spool.Delivered)
		time.Sleep(time.Minute)
		if got := r.wantState(1, spool.Delivered); len(got.log) != 1 {
			t.Errorf("%d attempts in the log, want that of the second", len(got.log))
		}
		if ds[0].LeasesLost() != 1 || ds[1].LeasesLost() != 0 {
			t.Errorf("leases lost: %d and %d", ds[0].LeasesLost(), ds[1].LeasesLost())
		}
		r.end(ds...)
	})
}
