package spooltest

import (
	"fmt"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// heldByPeer: what an operator holds by one process nobody leases, and the others know
// soon, as they know of the end of it.
func heldByPeer(t testing.TB, mk Make) {
	r, p := newPair(t, mk, spool.Settings{})
	reports := make(chan spool.RouteKey, 1000)
	stop := p.st.Watch(func(k spool.RouteKey) { reports <- k })
	defer stop()
	told := func(what, route string) {
		t.Helper()
		p.soon("told of "+what, func() bool {
			for len(reports) > 0 {
				if <-reports == key(route) {
					return true
				}
			}
			return false
		}, func() any { return "nothing" }, route)
	}
	byHand := func(in *rig) func() bool {
		return func() bool { _, held := in.st.HeldByHand(key("a")); return held }
	}
	r.queue("1", "a")
	told("Accept", "a")
	mine := r.hold("a")
	told("Hold", "a")
	r.wantIDs("held by hand elsewhere", p.lease("a", 10))
	probe := pickOf("a", 1)
	probe.IgnoreDue = true
	r.wantIDs("probed, held by hand elsewhere", p.batch(probe).Deliveries)
	if got := p.want(starting(intake(p.event("2"), "a"), "two"), spool.Accepted); len(got.Running) != 0 {
		t.Error("born running, held by hand elsewhere")
	}
	begun, failed := p.found()
	p.wantErr("a dispatcher's Hold", p.st.Hold(bg, "two", key("a"), begun), spool.ErrHoldChanged)
	p.wantErr("a failed probe", p.st.Hold(bg, "two", key("a"), failed), spool.ErrHoldChanged)
	p.wantErr("a dispatcher's Resume", p.st.Resume(bg, "two", key("a")), spool.ErrHoldChanged)
	p.soon("HeldByHand", byHand(p), func() any { return false }, true)
	p.wantHold("held by hand elsewhere", "a", &mine)
	r.wantHold("held by hand here", "a", &mine)

	p.ok(p.st.Resume(bg, "", key("a")), "Resume")
	told("Resume", "a")
	r.soon("HeldByHand", func() bool { return !byHand(r)() }, func() any { return true }, false)
	r.wantHold("resumed elsewhere", "a", nil)
	if d := r.leaseSoon("a"); d.Event.ID != "1" {
		t.Errorf("resumed elsewhere: leased %s, want 1", d.Event.ID)
	}
}

// heldHere: what the dispatcher of one process cannot reach another may.
func heldHere(t testing.TB, mk Make) {
	r, p := newPair(t, mk, spool.Settings{})
	r.configureAs("one", "a", "b", "alone")
	r.servedBy("three routes", map[string]int{"a": 2, "b": 2, "alone": 1})
	p.servedBy("three routes", map[string]int{"a": 2, "b": 2, "alone": 1})
	begun, failed := r.found()
	// holds wants the holds of route a as both see them, and for all.
	holds := func(when string, here, there *spool.Hold, all bool) {
		t.Helper()
		for in, want := range map[*rig]*spool.Hold{r: here, p: there} {
			in.soon(when, func() bool {
				st := in.route("a")
				return (st.HeldHere != nil) == (want != nil) && (st.Hold != nil) == all
			}, func() any { return fmt.Sprintf("%+v", in.route("a")) }, fmt.Sprint("here ", want != nil, ", for all ", all))
			in.sameHold(when, in.route("a").HeldHere, want)
		}
	}
	r.ok(r.st.Hold(bg, "one", key("alone"), begun), "Hold")
	r.soon("held by the one that serves it", func() bool { return r.route("alone").Hold != nil }, func() any { return nil }, begun)

	r.ok(r.st.Hold(bg, "one", key("a"), begun), "Hold")
	holds("one of two holds", &begun, nil, false)
	if got := p.want(starting(intake(p.event("1"), "a"), "two"), spool.Accepted); len(got.Running) != 1 {
		t.Error("not born running in the process that does not hold")
	}
	if got := r.want(starting(intake(p.event("2"), "a"), "one"), spool.Accepted); len(got.Running) != 0 {
		t.Error("born running in the process that holds")
	}
	if d := p.leaseSoon("a"); d.Event.ID != "2" {
		t.Errorf("leased %s in the process that does not hold, want 2", d.Event.ID)
	}
	if _, held := p.st.HeldByHand(key("a")); held {
		t.Error("a dispatcher's hold is taken for an operator's")
	}
	p.wantErr("a probe of a hold that is not ours", p.st.Hold(bg, "two", key("a"), failed), spool.ErrHoldChanged)
	r.add(time.Second)
	later, laterFailed := p.found()
	p.ok(p.st.Hold(bg, "two", key("a"), later), "Hold")
	holds("both hold", &begun, &later, true)
	r.ok(r.st.Hold(bg, "one", key("a"), failed), "Hold after a probe")
	p.ok(p.st.Hold(bg, "two", key("a"), laterFailed), "Hold after a probe")
	holds("both have probed", &failed, &laterFailed, true)
	p.ok(p.st.Resume(bg, "two", key("a")), "Resume")
	holds("one has resumed", &failed, nil, false)
	p.ok(p.st.Leave(bg, "two"), "Leave")
	holds("the other serves nothing", &failed, nil, true)
	p.configureAs("two", "a", "b")
	holds("it is back", &failed, nil, false)

	// An operator's Resume ends what each of them holds, and their probes do not undo it.
	p.ok(p.st.Hold(bg, "two", key("a"), later), "Hold")
	p.ok(p.st.Resume(bg, "", key("a")), "Resume by hand")
	holds("resumed by hand", nil, nil, false)
	r.wantErr("a probe of before", r.st.Hold(bg, "one", key("a"), failed), spool.ErrHoldChanged)
	p.wantErr("a probe of before", p.st.Hold(bg, "two", key("a"), laterFailed), spool.ErrHoldChanged)

	// What a process holds that is gone holds nobody up.
	p.ok(p.st.Hold(bg, "two", key("a"), begun), "Hold")
	holds("one of two holds", nil, &begun, false)
	r.killPeer()
	r.vanished()
	r.wantHold("the one that held is gone", "a", nil)
	r.ok(r.st.Hold(bg, "one", key("b"), begun), "Hold")
	r.soon("held by the one that is left", func() bool { return r.route("b").Hold != nil }, func() any { return nil }, begun)
}

// servedByPeers: what another process serves is not parked.
func servedByPeers(t testing.TB, mk Make) {
	r, p := newPair(t, mk, spool.Settings{})
	p.configureAs("two", "b", "c")
	r.queue("1", "a", "b", "c")
	both := func(when string, want map[string]int) {
		t.Helper()
		r.servedBy(when+", seen here", want)
		p.servedBy(when+", seen by the peer", want)
	}
	both("two configurations", map[string]int{"a": 1, "b": 2, "c": 1})
	live := func(route string, want int) {
		t.Helper()
		shared := r.st.(spool.Shared)
		r.soon("Live of "+route, func() bool { return shared.Live(key(route)) == want }, func() any { return shared.Live(key(route)) }, want)
	}
	live("b", 2)
	live("a", 1)
	live("unknown", 1)
	r.configureAs("three", "a", "b")
	both("a reload", map[string]int{"a": 1, "b": 2, "c": 1})
	r.ok(r.st.Leave(bg, "one"), "Leave")
	both("after a reload", map[string]int{"a": 1, "b": 2, "c": 1})
	p.ok(p.st.Leave(bg, "two"), "Leave")
	both("the peer serves nothing", map[string]int{"a": 1, "b": 1, "c": 0})
	live("b", 1)
	live("c", 1)
	p.configureAs("two", "b", "c")
	both("it is back", map[string]int{"a": 1, "b": 2, "c": 1})
	p.ok(p.st.Close(), "Close")
	r.servedBy("the peer has stopped", map[string]int{"a": 1, "b": 1, "c": 0})
	r.beside(spool.Settings{})
	r.servedBy("another peer", map[string]int{"a": 2, "b": 2, "c": 0})
	r.killPeer()
	r.vanished()
	r.servedBy("the peer was killed", map[string]int{"a": 1, "b": 1, "c": 0})
}

// membersListed: a store says who has it open.
func membersListed(t testing.TB, mk Make) {
	r, p := newPair(t, mk, spool.Settings{Window: 10 * hour})
	p.configureAs("two", "b")
	p.st.Tune(spool.Settings{Window: 20 * hour})
	begun, _ := p.found()
	p.ok(p.st.Hold(bg, "two", key("b"), begun), "Hold")
	if a, b := r.st.Identity(), p.st.Identity(); a != b || a == "" {
		t.Errorf("one storage has the identities %q and %q", a, b)
	}
	// of sums up what members are.
	of := func(in *rig) (all []string) {
		for _, m := range in.members() {
			if m.Number == 0 || m.Name == "" || m.Began.IsZero() || m.Seen.Before(m.Began) {
				t.Fatalf("member %+v", m)
			}
			if m.Live {
				all = append(all, fmt.Sprint(m.Here, m.Serves, m.Holds, m.Settings.Window))
			}
		}
		return all
	}
	want := func(when string, in *rig, want ...string) {
		t.Helper()
		in.soon(when, func() bool { return fmt.Sprint(of(in)) == fmt.Sprint(want) }, func() any { return of(in) }, want)
	}
	ofR, ofP := "[{inbox a} {inbox b}] [] 10h0m0s", "[{inbox b}] [{inbox b}] 20h0m0s"
	want("two members", r, "true "+ofR, "false "+ofP)
	want("two members, seen by the peer", p, "false "+ofR, "true "+ofP)
	first := peerOf(r)
	if all := r.members(); len(all) != 2 || all[0].Number >= all[1].Number {
		t.Errorf("members %+v, want two in the order of their start", all)
	}
	p.ok(p.st.Close(), "Close")
	want("one has stopped", r, "true "+ofR)
	r.beside(spool.Settings{})
	r.soon("the member that began last", func() bool { return peerOf(r).Number > first.Number }, func() any { return peerOf(r) }, first)
	r.killPeer()
	r.vanished()
	want("one was killed", r, "true "+ofR)
}
