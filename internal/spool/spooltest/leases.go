package spooltest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func (r *rig) wantErr(what string, got, want error) {
	if !errors.Is(got, want) {
		r.Fatalf("%s: got error %v, want %v", what, got, want)
	}
}

// fencing checks that only the holder of the present lease says how a delivery
// ends.
func fencing(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("1", "a")
	old := r.lease1("a")
	if want := r.now().Add(leaseFor); !old.Until.Equal(want) {
		t.Errorf("lease until %v, want %v", old.Until, want)
	}
	r.add(leaseFor + time.Second)
	now := r.lease1("a")
	if now.Lease.Delivery != old.Lease.Delivery || now.Fence == old.Fence || now.Attempts != 1 {
		t.Fatalf("after the lease %+v ran out: %+v with %d attempts, want another fence and 1", old.Lease, now.Lease, now.Attempts)
	}
	for _, st := range []spool.Settlement{r.ended(old), r.failed(old, 0), r.deadLetter(old, "late")} {
		r.wantErr("Settle of a lost lease", r.st.Settle(bg, st), spool.ErrLeaseLost)
	}
	lost, err := r.st.Extend(bg, []spool.Lease{old.Lease, now.Lease}, leaseFor)
	r.ok(err, "Extend")
	r.wantLost(lost, old.Lease)
	r.ok(r.st.Release(bg, []spool.Lease{old.Lease}), "Release of a lost lease")
	if d := r.delivery("1", "a"); d.State != spool.Running || d.Attempts != 1 || len(d.Log) != 1 || d.Log[0].Error == "" {
		t.Fatalf("delivery %+v, want it running, with the attempt that was cut short in its log", d)
	}
	r.settle(r.ended(now))
	r.wantErr("second Settle", r.st.Settle(bg, r.deadLetter(now, "late")), spool.ErrLeaseLost)
	lost, err = r.st.Extend(bg, []spool.Lease{now.Lease}, leaseFor)
	r.ok(err, "Extend")
	r.wantLost(lost, now.Lease)
	r.ok(r.st.Release(bg, []spool.Lease{now.Lease}), "Release of a settled lease")
	if d := r.delivery("1", "a"); d.State != spool.Delivered || d.Attempts != 2 {
		t.Errorf("delivery %+v, want it delivered with the second attempt", d)
	}
	unknown := spool.Lease{Delivery: now.Lease.Delivery + 1000, Fence: now.Fence}
	r.wantErr("Settle of no delivery", r.st.Settle(bg, r.ended(spool.Delivery{Lease: unknown})), spool.ErrLeaseLost)
}

func (r *rig) wantLost(got []spool.Lease, want ...spool.Lease) {
	for i := range want {
		want[i].Until = time.Time{}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		r.Fatalf("lost leases %v, want %v", got, want)
	}
}

// fencingOverRestarts checks that a fence of an earlier run is not good in a later
// one.
func fencingOverRestarts(t testing.TB, mk Make) {
	for _, e := range endings {
		r := newRig(t, mk, spool.Settings{})
		r.queue("1", "a")
		old := r.lease1("a")
		e.end(r)
		r.open()
		r.abandoned()
		now := r.leaseAll(pickOf("a", 1), 1)[0]
		if now.Fence == old.Fence {
			t.Errorf("after %s: fence %d once more", e.name, now.Fence)
		}
		r.wantErr("Settle after "+e.name, r.st.Settle(bg, r.ended(old)), spool.ErrLeaseLost)
		r.settle(r.ended(now))
		endings[1].end(r)
	}
}

func extend(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("1", "a")
	d := r.lease1("a")
	for range 3 {
		r.add(leaseFor - time.Second)
		lost, err := r.st.Extend(bg, []spool.Lease{d.Lease}, leaseFor)
		r.ok(err, "Extend")
		r.wantLost(lost)
	}
	r.add(leaseFor - time.Second)
	if got := r.lease("a", 1); len(got) != 0 {
		t.Fatal("an extended lease was taken over")
	}
	r.settle(r.ended(d))

	r.queue("2", "a")
	d = r.lease1("a")
	_, err := r.st.Extend(bg, []spool.Lease{d.Lease}, leaseFor/2)
	r.ok(err, "Extend")
	r.add(leaseFor/2 + time.Second)
	if got := r.lease1("a"); got.Attempts != 1 {
		t.Errorf("taken over with %d attempts, want 1", got.Attempts)
	}
	lost, err := r.st.Extend(bg, nil, leaseFor)
	r.ok(err, "Extend of nothing")
	r.wantLost(lost)
}

// bornRunning checks that a delivery starts at once only if nothing is due before
// it.
func bornRunning(t testing.TB, mk Make) {
	for _, c := range []struct {
		name    string
		prepare func(r *rig)
		running bool
	}{
		{"nothing before it", func(*rig) {}, true},
		{"one is waiting", func(r *rig) { r.queue("0", "a") }, false},
		{"one is waiting for another route", func(r *rig) { r.queue("0", "b") }, true},
		{"one is running", func(r *rig) { r.queue("0", "a"); r.lease1("a") }, true},
		{"a lease ran out", func(r *rig) { r.queue("0", "a"); r.lease1("a"); r.add(leaseFor + time.Second) }, false},
		{"a retry is not yet due", func(r *rig) {
			r.queue("0", "a")
			r.settle(r.failed(r.lease1("a"), time.Minute))
		}, true},
		{"a retry is due", func(r *rig) {
			r.queue("0", "a")
			r.settle(r.failed(r.lease1("a"), time.Minute))
			r.add(time.Minute + time.Second)
		}, false},
		{"one was given back", func(r *rig) {
			r.queue("0", "a")
			r.ok(r.st.Release(bg, []spool.Lease{r.lease1("a").Lease}), "Release")
		}, false},
		{"all have ended", func(r *rig) { r.queue("0", "a"); r.settle(r.ended(r.lease1("a"))) }, true},
		{"the route is held", func(r *rig) { r.hold("a") }, false},
		{"the other route is held", func(r *rig) { r.hold("b") }, true},
		{"the route was resumed", func(r *rig) { r.hold("a"); r.ok(r.st.Resume(bg, "", key("a")), "Resume") }, true},
	} {
		r := newRig(t, mk, spool.Settings{})
		c.prepare(r)
		in := starting(intake(r.event("1"), "a"), "two")
		got := r.want(in, spool.Accepted)
		if running := len(got.Running) == 1; running != c.running {
			t.Errorf("%s: %d born running, want it to be %v", c.name, len(got.Running), c.running)
		}
		want := spool.Available
		if c.running {
			want = spool.Running
		}
		if s := r.delivery("1", "a").State; s != want {
			t.Errorf("%s: the new delivery is %v, want %v", c.name, s, want)
		}
		endings[1].end(r)
	}
}

// bornRunningIsLeased checks that such a delivery is like any that was leased.
func bornRunningIsLeased(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.configure("a", "b", "c")
	in := starting(intake(r.event("1"), "c", "b", "a"), "two")
	in.Routes[1].Start = false
	got := r.want(in, spool.Accepted)
	if len(got.Running) != 2 || got.Running[0].Route != key("c") || got.Running[1].Route != key("a") {
		t.Fatalf("born running %+v, want those of routes c and a", got.Running)
	}
	for _, d := range got.Running {
		r.sameEvent(d.Event, in.Event)
		if d.Event.Seq != got.Seq || !d.Event.Received.Equal(r.now()) {
			t.Errorf("born running: event %d received at %v, want event %d received at %v", d.Event.Seq, d.Event.Received, got.Seq, r.now())
		}
		if d.Attempts != 0 || d.Fence == 0 || !d.Until.Equal(r.now().Add(leaseFor)) {
			t.Errorf("born running: %+v, want a lease for %v and no attempts", d, leaseFor)
		}
	}
	r.settle(r.ended(got.Running[0]))
	if n := len(r.lease("a", 1)); n != 0 {
		t.Error("a delivery that was born running was leased a second time")
	}
	r.add(leaseFor + time.Second)
	if d := r.lease1("a"); d.Attempts != 1 {
		t.Errorf("taken over with %d attempts, want 1", d.Attempts)
	}
	r.wantErr("late Settle", r.st.Settle(bg, r.ended(got.Running[1])), spool.ErrLeaseLost)

	none := starting(intake(r.event("2"), "c"), "")
	if got := r.want(none, spool.Accepted); len(got.Running) != 0 {
		t.Error("a delivery was born running under no owner")
	}
}
