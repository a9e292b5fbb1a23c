package spooltest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func (r *rig) hold(route string) spool.Hold {
	h := spool.Hold{
		Since: r.now(), Reason: "connection refused", Probes: 3,
		NextProbe: r.now().Add(15 * time.Second), ByHand: true,
	}
	r.ok(r.st.Hold(bg, "", key(route), h), "Hold")
	return h
}

// wantHold wants a route held, for all and here: where one process serves it, both are one.
func (r *rig) wantHold(when, route string, want *spool.Hold) {
	st := r.route(route)
	r.sameHold(when+": hold of route "+route, st.HeldHere, want)
	if st.Served > 0 || want == nil || want.ByHand {
		r.sameHold(when+": hold of route "+route+" for all", st.Hold, want)
	}
}

func (r *rig) sameHold(what string, got, want *spool.Hold) {
	if got == nil || want == nil {
		if got != nil || want != nil {
			r.Fatalf("%s is %+v, want %+v", what, got, want)
		}
		return
	}
	g := *got
	if !g.Since.Equal(want.Since) || !g.NextProbe.Equal(want.NextProbe) {
		r.Errorf("%s is since %v, next probe %v, want %v, %v", what, g.Since, g.NextProbe, want.Since, want.NextProbe)
	}
	g.Since, g.NextProbe = want.Since, want.NextProbe
	if g != *want {
		r.Errorf("%s is %+v, want %+v", what, g, *want)
	}
}

// holds last until they are ended, whatever ends the store.
func holds(t testing.TB, mk Make) {
	for _, e := range endings {
		r := newRig(t, mk, spool.Settings{})
		r.ok(r.st.Resume(bg, "", key("a")), "Resume of a route that is not held")
		r.hold("a")
		second := spool.Hold{Since: r.now(), Reason: "timeout", Probes: 4, NextProbe: r.now().Add(time.Minute)}
		second.ByHand = r.outlasts() // One that is not may be of its process.
		r.ok(r.st.Hold(bg, "", key("a"), second), "second Hold")
		e.end(r)
		r.open()
		r.wantHold("after "+e.name, "a", &second)
		r.wantHold("after "+e.name, "b", nil)
		got := r.want(starting(intake(r.event("1"), "a", "b"), "one"), spool.Accepted)
		if len(got.Running) != 1 || got.Running[0].Route != key("b") {
			t.Errorf("after %s: %+v born running, want that of the route that is not held", e.name, got.Running)
		}
		r.ok(r.st.Resume(bg, "", key("a")), "Resume")
		e.end(r)
		r.open()
		r.wantHold("after Resume and "+e.name, "a", nil)
		r.wantIDs("after Resume", r.lease("a", 10), "1")
		endings[1].end(r)
	}
}

// found is a hold as a dispatcher begins it, failed the same once a probe has failed.
func (r *rig) found() (begun, failed spool.Hold) {
	begun = spool.Hold{Since: r.now(), Reason: "refused", NextProbe: r.now().Add(time.Second)}
	failed = begun
	failed.Probes, failed.NextProbe = 1, r.now().Add(3*time.Second)
	return begun, failed
}

func holdYields(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	begun, failed := r.found()
	r.ok(r.st.Hold(bg, "one", key("a"), begun), "Hold")
	r.ok(r.st.Hold(bg, "one", key("a"), failed), "Hold after a probe")
	mine := r.hold("a")
	for range 2 {
		r.wantErr("a dispatcher's Hold", r.st.Hold(bg, "one", key("a"), begun), spool.ErrHoldChanged)
		r.wantErr("a failed probe", r.st.Hold(bg, "one", key("a"), failed), spool.ErrHoldChanged)
		r.wantHold("after a dispatcher's", "a", &mine)
		r.cut()
	}
	mine.Reason = "another"
	r.ok(r.st.Hold(bg, "one", key("a"), mine), "Hold by hand, of whichever owner")
	r.wantHold("after another by hand", "a", &mine)
	// However the two calls meet, the operator's hold stands.
	for range 20 {
		r.ok(r.st.Resume(bg, "", key("a")), "Resume")
		var calls sync.WaitGroup
		calls.Go(func() { r.ok(r.st.Hold(bg, "", key("a"), mine), "Hold by hand") })
		if err := r.st.Hold(bg, "one", key("a"), begun); err != nil {
			r.wantErr("a dispatcher's Hold", err, spool.ErrHoldChanged)
		}
		calls.Wait()
		r.wantHold("after both", "a", &mine)
	}
}

func resumeYields(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	begun, _ := r.found()
	r.ok(r.st.Resume(bg, "one", key("a")), "Resume of a route that is not held")
	r.ok(r.st.Hold(bg, "one", key("a"), begun), "Hold")
	r.ok(r.st.Resume(bg, "two", key("a")), "Resume by another dispatcher")
	r.wantHold("after that", "a", nil)
	mine := r.hold("a")
	for range 2 {
		r.wantErr("a dispatcher's Resume", r.st.Resume(bg, "one", key("a")), spool.ErrHoldChanged)
		r.wantHold("after a dispatcher's", "a", &mine)
		r.cut()
	}
	r.ok(r.st.Resume(bg, "", key("a")), "Resume by hand")
	r.wantHold("after an operator's", "a", nil)
}

func probeYields(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	begun, failed := r.found()
	r.ok(r.st.Hold(bg, "one", key("a"), begun), "Hold")
	if !r.outlasts() { // A hold of one process among several ends with it.
		r.cut()
	}
	r.ok(r.st.Hold(bg, "two", key("a"), failed), "Hold after a probe, by the next dispatcher")
	r.wantHold("after a probe", "a", &failed)
	r.ok(r.st.Resume(bg, "", key("a")), "Resume")
	r.wantErr("a failed probe", r.st.Hold(bg, "two", key("a"), failed), spool.ErrHoldChanged)
	r.wantHold("after a resume", "a", nil)
	r.add(time.Minute)
	later, _ := r.found()
	r.ok(r.st.Hold(bg, "one", key("a"), later), "another Hold")
	r.wantErr("a probe of the one before", r.st.Hold(bg, "two", key("a"), failed), spool.ErrHoldChanged)
	r.wantHold("after another hold", "a", &later)
}

func routeCounts(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.configure("b", "a", "idle")
	oldest := r.now()
	for i := range 6 {
		r.queue(fmt.Sprint(i), "a")
		r.add(time.Second)
	}
	got := r.lease("a", 4)
	r.settle(r.ended(got[0]))
	r.settle(r.deadLetter(got[1], "refused"))
	r.settle(r.failed(got[2], time.Hour))
	want := spool.RouteState{Key: key("a"), Waiting: 3, Running: 1, Dead: 1, Oldest: oldest.Add(2 * time.Second)}
	got1 := r.route("a")
	if got1.Served != 1 {
		t.Errorf("the route is served by %d members, want 1", got1.Served)
	}
	if got1.Last < got[3].Lease.Delivery {
		t.Errorf("the largest number is %d, but that of a running delivery is %d", got1.Last, got[3].Lease.Delivery)
	}
	want.Served, want.Last = got1.Served, got1.Last
	if !got1.Oldest.Equal(want.Oldest) {
		t.Errorf("oldest is of %v, want %v", got1.Oldest, want.Oldest)
	}
	got1.Oldest = want.Oldest
	if got1 != want {
		t.Errorf("route is %+v, want %+v", got1, want)
	}
	other := intake(r.eventOf("early", "1", "x"), "z")
	r.ok(r.st.Configure(bg, "", "early", []spool.RouteName{{Name: "z"}}), "Configure")
	r.want(other, spool.Accepted)
	states, err := r.st.Routes(bg)
	r.ok(err, "Routes")
	var names []string
	for _, s := range states {
		names = append(names, s.Key.Source+"/"+s.Key.Route)
		if s.Key.Route == "idle" && (s.Waiting != 0 || !s.Oldest.IsZero()) {
			t.Errorf("idle route is %+v", s)
		}
	}
	if got, want := fmt.Sprint(names), "[early/z inbox/a inbox/b inbox/idle]"; got != want {
		t.Errorf("routes are %s, want %s", got, want)
	}
}

// configure checks that a queue outlives its name's absence.
func configure(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("1", "a", "b")
	r.configure("b")
	if st := r.route("a"); st.Waiting != 1 {
		t.Errorf("a route that left the configuration is %+v, want its delivery waiting", st)
	}
	r.cut()
	r.configure("b")
	r.configure("b")
	if st := r.route("a"); st.Waiting != 1 {
		t.Errorf("after a restart it is %+v, want its delivery waiting", st)
	}
	r.configure("a", "b")
	r.wantIDs("when it is back", r.lease("a", 10), "1")
	r.wantIDs("the other", r.lease("b", 10), "1")
}

// renamed checks that the new name takes the queue over, and the old one leads to
// it.
func renamed(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("1", "a", "b")
	to := []spool.RouteName{{Name: "new", Was: "a"}, {Name: "b"}}
	for range 2 {
		r.ok(r.st.Configure(bg, "", source, to), "Configure")
		if n := r.route("new").Waiting; n != 1 {
			t.Fatalf("%d wait for the new name, want 1", n)
		}
	}
	// A handler of the configuration that is being replaced.
	r.queue("2", "a")
	r.queue("3", "new")
	if st := r.route("new"); st.Waiting != 3 {
		t.Errorf("the route is %+v, want the deliveries of both names", st)
	}
	if d := r.delivery("1", "new"); d.State != spool.Available {
		t.Errorf("the old delivery is %+v, want it available under its new name", d)
	}
	old := r.lease("a", 1)
	r.wantIDs("by the old name", old, "1")
	r.wantIDs("by the new name", r.lease("new", 1), "2")
	got := r.want(starting(intake(r.event("4"), "a"), "one"), spool.Accepted)
	if len(got.Running) != 0 {
		t.Error("born running by the old name, though older ones wait under the new")
	}
	r.settle(r.ended(old[0]))
	r.hold("a")
	if r.route("new").Hold == nil {
		t.Error("a hold by the old name does not hold the queue")
	}
	r.ok(r.st.Resume(bg, "", key("new")), "Resume")
	r.cut()
	r.ok(r.st.Configure(bg, "", source, to), "Configure")
	r.abandoned()
	r.wantIDs("after a restart", r.leaseAll(pickAll("new"), 3), "2", "3", "4")
}

// renamedBack checks that a name that is configured again has a queue of its own
// again, and nothing of either is lost.
func renamedBack(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("1", "a")
	r.ok(r.st.Configure(bg, "", source, []spool.RouteName{{Name: "new", Was: "a"}}), "Configure")
	r.queue("2", "a")
	r.configure("a", "new")
	r.queue("3", "a")
	r.queue("4", "new")
	r.wantIDs("the old name", r.lease("a", 10), "3")
	r.wantIDs("the new name", r.lease("new", 10), "1", "2", "4")

	// Back to the first configuration by another rename.
	r.queue("5", "new")
	r.ok(r.st.Configure(bg, "", source, []spool.RouteName{{Name: "a", Was: "new"}}), "Configure")
	r.queue("6", "new")
	r.queue("7", "a")
	r.wantIDs("the first name has both queues", r.lease("a", 10), "5", "6", "7")
	r.settle(r.ended(r.leaseAgain("a")[0]))
}

// leaseAgain leases what is running once its leases have run out.
func (r *rig) leaseAgain(route string) []spool.Delivery {
	r.add(leaseFor + time.Second)
	return r.lease(route, 10)
}

func redeliver(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.configure("a", "b", "c")
	seq := r.queue("1", "a", "b").Seq
	replay := func(route string, want int) {
		t.Helper()
		if n, err := r.st.Redeliver(bg, seq, spool.RouteWish{Route: route}); err != nil || n != want {
			t.Fatalf("Redeliver to %q: %d, %v, want %d", route, n, err, want)
		}
	}
	replay("", 0)
	a := r.lease1("a")
	replay("", 0)
	r.settle(r.ended(a))
	r.settle(r.deadLetter(r.lease1("b"), "refused"))
	replay("a", 1)
	replay("a", 0)
	r.cut()
	d := r.lease1("a")
	if d.Replay != 1 || d.Attempts != 0 || d.Lease.Fence == a.Fence {
		t.Errorf("the replay is %+v, want number 1 with a fresh budget", d)
	}
	r.wantErr("Settle by the first lease", r.st.Settle(bg, r.ended(a)), spool.ErrLeaseLost)
	r.settle(r.ended(d))
	replay("", 2)
	if d := r.lease1("a"); d.Replay != 2 {
		t.Errorf("the second replay has number %d", d.Replay)
	}
	if d := r.delivery("1", "b"); d.State != spool.Available || d.Replay != 1 || d.Attempts != 0 || d.Reason != "" || !d.Ended.IsZero() {
		t.Errorf("the replayed dead letter is %+v, want a fresh one", d)
	}
	replay("c", 1)
	replay("c", 0)
	r.cut()
	r.whole("1", "a", "b", "c")
	fresh := r.lease("c", 10)
	r.wantIDs("the new route", fresh, "1")
	if fresh[0].Replay != 1 {
		t.Errorf("what was replayed to a new route is replay %d, want 1", fresh[0].Replay)
	}
	r.settle(r.ended(fresh[0]))
	replay("c", 1)
	if d := r.lease1("c"); d.Replay != 2 {
		t.Errorf("the next replay there has number %d, want 2", d.Replay)
	}
	_, err := r.st.Redeliver(bg, seq+1000, spool.RouteWish{})
	r.wantErr("Redeliver of no event", err, spool.ErrNotFound)

	unrouted := r.want(intake(r.event("2")), spool.Accepted)
	seq = unrouted.Seq
	replay("", 0)
	replay("a", 1)
}
