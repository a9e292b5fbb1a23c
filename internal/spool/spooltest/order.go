package spooltest

import (
	"fmt"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// five queues events 1 to 5 for route a, a second apart.
func five(t testing.TB, mk Make) *rig {
	r := newRig(t, mk, spool.Settings{})
	for n := range 5 {
		r.queue(fmt.Sprint(n+1), "a", "b")
		r.add(time.Second)
	}
	return r
}

func leasesOf(ds []spool.Delivery) (ls []spool.Lease) {
	for _, d := range ds {
		ls = append(ls, d.Lease)
	}
	return ls
}

func oldestFirst(t testing.TB, mk Make) {
	r := five(t, mk)
	r.wantIDs("first two", r.lease("a", 2), "1", "2")
	r.wantIDs("next two", r.lease("a", 2), "3", "4")
	r.wantIDs("the rest", r.lease("a", 10), "5")
	r.wantIDs("nothing more", r.lease("a", 10))
	r.wantIDs("the other route", r.lease("b", 1), "1")
	if got := r.batch(spool.Pick{Owner: "one", Route: key("unknown"), N: 1, LeaseFor: leaseFor}); len(got.Deliveries) != 0 || !got.Next.IsZero() {
		t.Errorf("an unknown route gave %+v", got)
	}
}

func byDueTime(t testing.TB, mk Make) {
	r := five(t, mk)
	all := r.lease("a", 5)
	for i, wait := range []int{50, 30, 10, 20, 40} {
		r.settle(r.failed(all[i], time.Duration(wait)*time.Second))
	}
	r.wantIDs("nothing due", r.lease("a", 5))
	r.add(20 * time.Second)
	r.wantIDs("two are due", r.lease("a", 5), "3", "4")
	r.add(31 * time.Second)
	r.queue("6", "a")
	r.wantIDs("by due time", r.lease("a", 5), "2", "5", "1", "6")
}

// givenBack checks that what is given back counts no attempt and is due at once,
// in the old order.
func givenBack(t testing.TB, mk Make) {
	r := five(t, mk)
	got := r.lease("a", 3)
	r.ok(r.st.Release(bg, leasesOf(got)), "Release")
	r.ok(r.st.Release(bg, leasesOf(got)), "second Release")
	again := r.lease("a", 4)
	r.wantIDs("after a release", again, "1", "2", "3", "4")
	for _, d := range again {
		if d.Attempts != 0 {
			t.Errorf("event %s has %d attempts after a release, want none", d.Event.ID, d.Attempts)
		}
	}
	r.settle(r.failed(again[0], time.Hour))
	probe := pickOf("a", 1)
	probe.IgnoreDue = true
	d := r.batch(probe).Deliveries
	r.wantIDs("ignoring due times", d, "1")
	r.ok(r.st.Release(bg, leasesOf(d)), "Release")
	if rec := r.delivery("1", "a"); rec.State != spool.Available || rec.Attempts != 1 || len(rec.Log) != 1 || rec.Due.After(r.now()) {
		t.Errorf("delivery %+v, want it due at once with its one attempt", rec)
	}
	if got := r.lease("a", 10); len(got) != 2 {
		t.Errorf("leased %v, want 5 and what was given back, 1", ids(got))
	}
}

func ignoreDue(t testing.TB, mk Make) {
	r := five(t, mk)
	all := r.lease("a", 5)
	for i, wait := range []int{5, 3, 1, 2, 4} {
		r.settle(r.failed(all[i], time.Duration(wait)*time.Hour))
	}
	p := pickOf("a", 2)
	p.IgnoreDue = true
	got := r.batch(p).Deliveries
	r.wantIDs("ignoring due times", got, "1", "2")
	r.ok(r.st.Release(bg, leasesOf(got)), "Release")
	probe := func(after int64, want ...string) []spool.Delivery {
		p := pickOf("a", len(want))
		p.IgnoreDue, p.After = true, after
		got := r.batch(p).Deliveries
		r.wantIDs(fmt.Sprint("probe after delivery ", after), got, want...)
		r.ok(r.st.Release(bg, leasesOf(got)), "Release")
		return got
	}
	after := int64(0)
	for _, want := range []string{"1", "2", "3", "4", "5", "1", "2"} {
		after = probe(after, want)[0].Lease.Delivery
	}
	probe(all[3].Lease.Delivery, "5", "1", "2")
	// The cursor stays good when its delivery has ended.
	p.N, p.After = 1, all[1].Lease.Delivery
	third := r.batch(p).Deliveries
	r.wantIDs("probe", third, "3")
	r.settle(r.ended(third[0]))
	probe(third[0].Lease.Delivery, "4", "5")
	begun, _ := r.found()
	r.ok(r.st.Hold(bg, "one", key("a"), begun), "Hold")
	probe(0, "1")
	// What an operator holds is not probed.
	r.hold("a")
	probe(0)
	p.N, p.IgnoreDue = 5, false
	r.add(6 * time.Hour)
	r.wantIDs("held by hand", r.batch(p).Deliveries)
	r.ok(r.st.Resume(bg, "", key("a")), "Resume")
	if got := r.batch(p).Deliveries; len(got) != 4 {
		t.Errorf("after Resume %v are leased, want four", ids(got))
	}
}

// passEnds checks that a pass over what waits ends at a number, however much came or
// was put off meanwhile, and where it stands behind that number.
func passEnds(t testing.TB, mk Make) {
	r := five(t, mk)
	for _, d := range r.lease("a", 5) {
		r.settle(r.failed(d, hour))
	}
	last := r.route("a").Last
	r.queue("6", "a")
	pass := func(after int64, n int, want ...string) int64 {
		t.Helper()
		p := pickOf("a", n)
		p.IgnoreDue, p.After, p.UpTo = true, after, last
		got := r.batch(p).Deliveries
		r.wantIDs(fmt.Sprint("after ", after), got, want...)
		for _, d := range got {
			r.settle(r.failed(d, hour))
			after = d.Lease.Delivery
		}
		return after
	}
	at := pass(0, 2, "1", "2")
	at = pass(at, 2, "3", "4")
	at = pass(at, 2, "5")
	pass(at, 2)
	pass(last, 2)
	r.wantIDs("what came later", r.lease("a", 10), "6")
	if got := r.queue("7", "a"); got.Seq == 0 || r.route("a").Last <= last {
		t.Errorf("the largest number is %d after another event, and was %d", r.route("a").Last, last)
	}
}

func batchNext(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	if b := r.batch(pickOf("a", 1)); len(b.Deliveries) != 0 || !b.Next.IsZero() {
		t.Errorf("an empty route gave %+v, want nothing", b)
	}
	r.queue("1", "a")
	r.queue("2", "a")
	r.queue("3", "a")
	b := r.batch(pickOf("a", 1))
	if b.Next.IsZero() || b.Next.After(r.now()) {
		t.Errorf("more is due, but Next is %v at %v", b.Next, r.now())
	}
	one, two, three := b.Deliveries[0], r.lease1("a"), r.lease1("a")
	r.settle(r.failed(one, 30*time.Second))
	r.settle(r.failed(two, 20*time.Second))
	if b := r.batch(pickOf("a", 1)); !b.Next.Equal(r.now().Add(20 * time.Second)) {
		t.Errorf("Next is %v, want the next retry in 20 s from %v", b.Next, r.now())
	}
	r.add(30 * time.Second)
	for _, d := range r.lease("a", 2) {
		r.settle(r.ended(d))
	}
	if b := r.batch(pickOf("a", 1)); b.Next.IsZero() || b.Next.After(three.Until) {
		t.Errorf("Next is %v, want the end of the one lease, %v", b.Next, three.Until)
	}
	r.settle(r.ended(three))
	if b := r.batch(pickOf("a", 1)); !b.Next.IsZero() {
		t.Errorf("Next is %v after all have ended, want none", b.Next)
	}
}
