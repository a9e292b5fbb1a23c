package spooltest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// keyed queues an event for routes, to which one key orders it.
func keyed(in spool.Intake, key string) spool.Intake {
	for i := range in.Routes {
		in.Routes[i].Key = key
	}
	return in
}

// queueKeyed accepts a new event of a key that is to wait for routes.
func (r *rig) queueKeyed(id, key string, routes ...string) spool.Receipt {
	return r.want(keyed(intake(r.event(id), routes...), key), spool.Accepted)
}

// wantBehind checks that a delivery waits for an earlier one of its key, or does not.
func (r *rig) wantBehind(what, id, route string, want bool) {
	r.Helper()
	d := r.delivery(id, route)
	if d.Behind != want {
		r.Fatalf("%s: event %s waits behind another of its key: %v, want %v (it is %v)", what, id, d.Behind, want, d.State)
	}
	if want && (d.State != spool.Available || !d.Due.IsZero()) {
		r.Fatalf("%s: event %s, behind another of its key, is %v and due %v, want it available and due at no time yet", what, id, d.State, d.Due)
	}
}

// orderOfKeys checks that of a key one delivery is handed out at a time, oldest first,
// while other keys, other routes and what has no key go on.
func orderOfKeys(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	began := r.now()
	for i, key := range []string{"x", "y", "x", "", "x", ""} {
		r.queueKeyed(fmt.Sprint(i+1), key, "a", "b")
		r.add(time.Second)
	}
	first := r.lease("a", 10)
	r.wantIDs("the first of each key, and what has none", first, "1", "2", "4", "6")
	r.wantIDs("the other route", r.lease("b", 10), "1", "2", "4", "6")
	r.wantBehind("while the first runs", "3", "a", true)
	r.wantBehind("while the first runs", "5", "a", true)
	r.wantBehind("while it runs", "1", "a", false)
	st := r.route("a")
	if st.Waiting != 2 || st.Running != 4 || !st.Oldest.Equal(began.Add(2*time.Second)) || st.Last < r.delivery("5", "a").Number {
		t.Errorf("the route is %+v, want two that wait, since event 3, and four that run", st)
	}
	for _, q := range []spool.Query{{State: spool.Available, Route: "a"}, {Waiting: true, Route: "a"}, {Waiting: true}} {
		if got := r.recordIDs(q); !slices.Equal(got, []string{"5", "3"}) {
			t.Errorf("%+v selects %v, want what waits behind another", q, got)
		}
		if n, err := spool.CountRecords(bg, r.st, q, 0); err != nil || n.N != 2 {
			t.Errorf("%+v counts %d, %v, want 2", q, n.N, err)
		}
	}
	r.settle(r.ended(first[1]))
	r.wantIDs("after another key's end", r.lease("a", 10))
	r.settle(r.ended(first[0]))
	r.wantBehind("after its end", "3", "a", false)
	r.wantBehind("after its end", "5", "a", true)
	third := r.lease("a", 10)
	r.wantIDs("the next of the key", third, "3")
	r.settle(r.ended(third[0]))
	r.wantIDs("the last of the key", r.lease("a", 10), "5")
}

// endOfKeys checks what lets the next of a key go: that its first is delivered, is dead,
// or has waited longer than retention. It is due at once, survives a crash, and is told.
func endOfKeys(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	for i := range 5 {
		r.queueKeyed(fmt.Sprint(i+1), "x", "a")
	}
	for i, end := range []func(spool.Delivery){
		func(d spool.Delivery) { r.settle(r.ended(d)) },
		func(d spool.Delivery) { r.settle(r.deadLetter(d, "refused")) },
		func(d spool.Delivery) { r.settle(r.ended(d)); r.kill() },
	} {
		got := r.lease("a", 10)
		r.wantIDs("one at a time", got, fmt.Sprint(i+1))
		told := make(chan bool, 1)
		stop := r.st.Watch(func(k spool.RouteKey) {
			select {
			case told <- k == key("a"):
			default:
			}
		})
		end(got[0])
		r.soon("told that the next is due", func() bool { return len(told) > 0 || i == 2 }, func() any { return "nothing" }, "route a")
		stop()
		r.wantBehind("after the end", fmt.Sprint(i+2), "a", false)
		if d := r.delivery(fmt.Sprint(i+2), "a"); d.State != spool.Available || d.Due.After(r.now()) {
			t.Fatalf("the next of the key is %+v, want it due at once", d)
		}
	}
	if b := r.batch(pickOf("a", 0)); b.Next.IsZero() || b.Next.After(r.now()) {
		t.Errorf("the next is due at %v, want it due", b.Next)
	}
}

// expiryOfKeys checks that the next of a key goes when retention has ended the first,
// and that nothing goes when it has ended one behind.
func expiryOfKeys(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queueKeyed("1", "x", "a")
	r.settle(r.failed(r.lease1("a"), 200*hour))
	r.queueKeyed("2", "x", "a")
	r.add(50 * hour)
	r.queueKeyed("3", "x", "a")
	r.queueKeyed("4", "x", "a")
	r.wantIDs("before retention", r.lease("a", 10))
	r.add(23 * hour)
	r.sweep()
	for id, want := range map[string]spool.State{"1": spool.Dead, "2": spool.Dead, "3": spool.Available, "4": spool.Available} {
		if d := r.delivery(id, "a"); d.State != want {
			t.Errorf("event %s is %v after retention, want %v", id, d.State, want)
		}
	}
	r.wantBehind("after retention", "3", "a", false)
	r.wantBehind("after retention", "4", "a", true)
	got := r.lease("a", 10)
	r.wantIDs("after retention", got, "3")
	r.settle(r.ended(got[0]))
	r.wantIDs("the last", r.lease("a", 10), "4")
	if st := r.route("a"); st.Waiting != 0 || st.Dead != 2 || st.Running != 1 {
		t.Errorf("route a is %+v, want nothing that waits, and two dead letters", st)
	}
}

// placesOfKeys checks that nothing but its end takes a delivery's place: given back, tried
// again in hours, cut short, held, over every end of the process and under another name.
func placesOfKeys(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	for i := range 3 {
		r.queueKeyed(fmt.Sprint(i+1), "x", "a")
	}
	only := func(what string, route string) spool.Delivery {
		t.Helper()
		got := r.lease(route, 10)
		r.wantIDs(what, got, "1")
		r.wantBehind(what, "2", route, true)
		r.wantBehind(what, "3", route, true)
		return got[0]
	}
	d := only("at first", "a")
	r.ok(r.st.Release(bg, []spool.Lease{d.Lease}), "Release")
	only("given back", "a")
	r.add(leaseFor + time.Second)
	d = only("cut short", "a")
	r.settle(r.failed(d, 3*hour))
	r.add(2 * hour)
	r.wantIDs("before its retry", r.lease("a", 10))
	r.hold("a")
	r.ok(r.st.Resume(bg, "", key("a")), "Resume")
	r.wantIDs("after a hold", r.lease("a", 10))
	for _, e := range endings {
		e.end(r)
		r.open()
		r.wantIDs("before its retry, after "+e.name, r.lease("a", 10))
	}
	r.add(hour)
	for _, e := range endings {
		only("running at "+e.name, "a")
		r.heard()
		e.end(r)
		r.open()
		r.abandoned()
	}
	r.abandoned() // A power cut may undo how much time had passed, as it does a settle.
	r.ok(r.st.Configure(bg, "one", source, []spool.RouteName{{Name: "new", Was: "a"}, {Name: "b"}}), "Configure")
	d = r.leaseAll(spool.Pick{Owner: "one", Route: key("new"), N: 10, LeaseFor: leaseFor}, 1)[0]
	r.wantIDs("under another name", []spool.Delivery{d}, "1")
	r.settle(r.ended(d))
	r.wantIDs("under another name", r.lease("new", 10), "2")
}

// bornOfKeys checks that a delivery is born running only where nothing of its key waits
// or runs.
func bornOfKeys(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	born := func(id, key string, want bool) []spool.Delivery {
		t.Helper()
		got := r.want(keyed(starting(intake(r.event(id), "a"), "one"), key), spool.Accepted).Running
		if len(got) > 1 || (len(got) == 1) != want {
			t.Fatalf("event %s of key %q is born running: %v, want %v", id, key, len(got) == 1, want)
		}
		return got
	}
	first := born("1", "x", true)
	born("2", "x", false)
	born("3", "y", true)
	r.wantBehind("while the first runs", "2", "a", true)
	r.settle(r.failed(first[0], hour))
	born("4", "x", false)
	born("5", "z", true)
	born("6", "", true)
	r.wantIDs("while the first waits", r.lease("a", 10))
	r.add(hour)
	for _, id := range []string{"1", "2", "4"} {
		got := r.lease("a", 10)
		got = slices.DeleteFunc(got, func(d spool.Delivery) bool { return d.Event.ID != id })
		r.wantIDs("in turn", got, id)
		r.settle(r.ended(got[0]))
	}
	r.add(leaseFor) // What else was leased above ends with its lease.
	for _, d := range r.lease("a", 10) {
		r.settle(r.ended(d))
	}
	born("7", "x", true)
	// Those that come at once: one of them runs.
	var calls sync.WaitGroup
	running := make(chan spool.Delivery, 20)
	for i := range 20 {
		calls.Go(func() {
			got, err := r.st.Accept(bg, keyed(starting(intake(r.event(fmt.Sprint("at once ", i)), "a"), "one"), "w"))
			if err != nil {
				t.Errorf("Accept: %v", err)
			}
			for _, d := range got.Running {
				running <- d
			}
		})
	}
	calls.Wait()
	if len(running) > 1 {
		t.Fatalf("%d of a key are born running at once, want one at most", len(running))
	}
	behind := 0
	for _, rec := range r.records(spool.Query{Waiting: true, Route: "a"}) {
		if rec.Deliveries[0].Behind {
			behind++
		}
	}
	if behind != 19 {
		t.Errorf("%d of a key wait for another one of it, want 19", behind)
	}
}
