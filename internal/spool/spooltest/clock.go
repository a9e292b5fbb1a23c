package spooltest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const year = 365 * day

// clockWasAhead checks that a clock that was ahead, for hours or for years, at a
// start or while the store runs, with events taken meanwhile or none, does no harm
// then and later: what is of today is accepted, what waited waits, and no id is
// taken twice.
func clockWasAhead(t testing.TB, mk Make) {
	for _, ahead := range []time.Duration{72 * hour, 10 * year} {
		for _, restart := range []bool{false, true} {
			for _, meanwhile := range []bool{false, true} {
				t.Logf("ahead %v, restart %v, events meanwhile %v", ahead, restart, meanwhile)
				wasAhead(t, mk, ahead, restart, meanwhile)
			}
		}
	}
}

func wasAhead(t testing.TB, mk Make, ahead time.Duration, restart, meanwhile bool) {
	r := newRig(t, mk, spool.Settings{})
	defer r.Kill(t)
	again := func() {
		if restart {
			endings[0].end(r)
			r.open()
		}
	}
	known := r.acceptAll("delivered", "fresh", "retrying", "dead")
	r.settle(r.ended(r.lease1("a")))
	held := r.lease("a", 3)
	r.settle(r.failed(held[1], hour))
	r.settle(r.deadLetter(held[2], "refused"))
	r.ok(r.st.Release(bg, []spool.Lease{held[0].Lease}), "Release")
	noTime := intake(r.event("no time"), "b")
	noTime.Event.CreatedAt, noTime.Event.Received = time.Time{}, time.Time{}
	r.want(noTime, spool.Accepted)

	real := r.now()
	r.jump(ahead)
	again()
	r.sweep()
	ofToday := func(id string) {
		in := intake(r.event(id), "b")
		in.Event.CreatedAt, in.Event.Received = real, time.Time{}
		r.want(in, spool.Accepted)
		known = append(known, in)
	}
	if meanwhile {
		ofToday("meanwhile")
		r.add(time.Minute)
		real = real.Add(time.Minute)
		ofToday("a minute later")
		late := intake(r.event("late"), "b")
		late.Event.CreatedAt, late.Event.Received = real.Add(-2*hour), time.Time{}
		r.want(late, spool.Accepted)
	}
	again()
	r.sweep()
	r.jump(-ahead)
	again()
	r.sweep()
	ofToday("after")
	r.unharmed(known, noTime)
}

// unharmed wants what was taken known, what waited waiting, and nothing in
// quarantine; and then, a day later, what was known stale and the rest leased.
func (r *rig) unharmed(known []spool.Intake, noTime spool.Intake) {
	for _, in := range append(known, noTime) {
		r.want(in, spool.Duplicate)
	}
	for id, want := range map[string]spool.State{
		"delivered": spool.Delivered, "fresh": spool.Available, "retrying": spool.Retrying, "dead": spool.Dead,
	} {
		if got := r.delivery(id, "a"); got.State != want {
			r.Errorf("the delivery of %q is %v (%s), want %v", id, got.State, got.Reason, want)
		}
	}
	if n := len(r.odd()); n != 0 {
		r.Errorf("%d in quarantine, the first for %q, want none", n, r.odd()[0].Reason)
	}
	// Now the time really passes.
	r.add(25 * hour)
	r.sweep()
	for _, in := range known {
		r.want(in, spool.Stale)
	}
	r.want(intake(r.event("a day later"), "a"), spool.Accepted)
	if n := len(r.batch(pickAll("a")).Deliveries); n != 3 {
		r.Errorf("%d deliveries are leased at last, want 3", n)
	}
}

// acceptAll accepts events for route a, a second apart.
func (r *rig) acceptAll(ids ...string) (all []spool.Intake) {
	for _, id := range ids {
		in := intake(r.event(id), "a")
		r.want(in, spool.Accepted)
		all = append(all, in)
		r.add(time.Second)
	}
	return all
}

func pickAll(route string) spool.Pick {
	p := pickOf(route, 100)
	p.IgnoreDue = true
	return p
}

// clockWasAheadAtFirst checks the same of a store that was only opened while the
// clock was ahead.
func clockWasAheadAtFirst(t testing.TB, mk Make) {
	for _, ahead := range []time.Duration{72 * hour, 10 * year} {
		for _, e := range endings {
			r := &rig{TB: t, Engine: mk(t), clock: newClock()}
			r.jump(ahead)
			r.open()
			r.configure("a")
			r.sweep()
			e.end(r)
			r.jump(-ahead)
			r.open()
			r.want(intake(r.event("1"), "a"), spool.Accepted)
			old := intake(r.event("2"), "a")
			old.Event.CreatedAt = r.now().Add(-25 * hour)
			r.want(old, spool.Stale)
			r.settle(r.ended(r.lease1("a")))
			r.settle(r.failed(r.queued1("3"), time.Minute))
			r.add(time.Minute)
			r.wantIDs("leased a minute later", r.lease("a", 10), "3")
			if got := r.record("1").Event.Received; !got.Equal(epoch) {
				t.Errorf("received at %v, want %v", got, epoch)
			}
			endings[1].end(r)
		}
	}
}

// queued1 accepts an event for route a and leases it.
func (r *rig) queued1(id string) spool.Delivery {
	r.queue(id, "a")
	return r.lease1("a")
}

// clockForgetsNothing checks that no time has passed for the ids either, also
// where an event gives no time that a watermark could hold on to.
func clockForgetsNothing(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	in := intake(r.event("1"), "a")
	in.Event.CreatedAt = time.Time{}
	r.want(in, spool.Accepted)
	for _, e := range endings {
		r.jump(100 * hour)
		r.sweep()
		r.want(in, spool.Duplicate)
		e.end(r)
		r.jump(100 * hour)
		r.open()
		r.sweep()
		r.want(in, spool.Duplicate)
	}
}

// machineWasOff checks that what waits is tried when the machine is back, and what
// was there is still there.
func machineWasOff(t testing.TB, mk Make) {
	for _, e := range endings {
		r := newRig(t, mk, spool.Settings{})
		r.queue("delivered", "b")
		r.settle(r.ended(r.lease1("b")))
		r.queue("1", "a")
		r.settle(r.failed(r.lease1("a"), hour))
		r.queue("2", "a")
		r.ok(r.st.Quarantine(bg, r.oddBody(source, "{")), "Quarantine")
		e.end(r)
		r.add(60 * day)
		r.open()
		r.sweep()
		r.wantIDs("leased after "+e.name, r.lease("a", 10), "2", "1")
		r.delivery("delivered", "b")
		if n := len(r.odd()); n != 1 {
			t.Errorf("%d in quarantine, want 1", n)
		}
		endings[1].end(r)
	}
}

// triedBeforeItDies checks that each life of the process gives what waits a chance.
func triedBeforeItDies(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	for i := range 3 {
		r.queue(fmt.Sprint(i), "a")
	}
	r.add(71*hour + 50*time.Minute)
	endings[0].end(r)
	r.open()
	r.add(20 * time.Minute) // Together it is more than retention.
	r.sweep()
	r.settle(r.failed(r.lease1("a"), hour))
	r.sweep()
	states := func() (got []spool.State) {
		for i := range 3 {
			got = append(got, r.delivery(fmt.Sprint(i), "a").State)
		}
		return got
	}
	if got, want := states(), []spool.State{spool.Dead, spool.Available, spool.Available}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("one was tried: %v, want %v", got, want)
	}
	r.add(hour)
	r.sweep()
	if got, want := states(), []spool.State{spool.Dead, spool.Dead, spool.Dead}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("an hour later: %v, want %v", got, want)
	}
}

// clockBehind checks that a machine that has lost the time takes nothing for a
// thing of the future.
func clockBehind(t testing.TB, mk Make) {
	for _, behind := range []time.Time{time.Unix(0, 0).UTC(), epoch.Add(-20 * day)} {
		r := newRig(t, mk, spool.Settings{})
		r.queue("1", "a")
		endings[0].end(r)
		r.add(30 * day) // It is off for a month.
		today := r.now()
		r.set(behind)
		r.open()
		for _, src := range []string{source, "new"} {
			in := intake(r.eventOf(src, "2", "{}"), "a")
			in.Event.CreatedAt, in.Event.Received = today, time.Time{}
			r.want(in, spool.Accepted)
			r.want(in, spool.Duplicate)
		}
		r.jump(today.Sub(r.now()))
		r.want(intake(r.event("3"), "a"), spool.Accepted)
		old := intake(r.event("4"), "a")
		old.Event.CreatedAt = today.Add(-25 * hour)
		r.want(old, spool.Stale)
		endings[1].end(r)
	}
}

// clockUnset: where neither machine nor store has ever known the time, the platform is asked to try
// again, and nothing is kept.
func clockUnset(t testing.TB, mk Make) {
	r := &rig{TB: t, Engine: mk(t), clock: newClock()}
	r.jump(time.Unix(0, 0).Sub(epoch))
	r.open()
	in := intake(r.event("1"), "a")
	in.Event.CreatedAt, in.Event.Received = epoch, time.Time{}
	_, err := r.st.Accept(bg, in)
	if !errors.Is(err, spool.ErrClock) {
		t.Errorf("Accept in 1970: %v, want ErrClock", err)
	}
	if n := len(r.odd()) + len(r.records(spool.Query{})); n != 0 {
		t.Errorf("%d events and entries, want none", n)
	}
	if !r.st.Stats().ClockUnset {
		t.Error("the store does not say that the clock is not set")
	}
	r.jump(epoch.Sub(r.now()))
	r.want(in, spool.Accepted)
	r.want(in, spool.Duplicate)
	if r.st.Stats().ClockUnset {
		t.Error("the store still says that the clock is not set")
	}
}

// idsFarAhead checks that what an operator lets in though its created_at lies
// beyond what is accepted is remembered until then.
func idsFarAhead(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	in := intake(r.event("1"), "a")
	in.Event.CreatedAt = r.now().Add(14 * day)
	in.DeliverStale = true
	r.want(in, spool.Accepted)
	in.DeliverStale = false
	for range 5 {
		r.add(3 * day)
		r.sweep()
		r.want(in, spool.Duplicate)
		r.want(intake(r.event("of "+r.now().String()), "a"), spool.Accepted)
	}
	r.add(day)
	r.sweep()
	r.want(in, spool.Stale)
}
