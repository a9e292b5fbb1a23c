package spooltest

import (
	"fmt"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// replaysOfKeys checks that a replay waits behind what waits or runs of its key, that of
// those that wait the oldest goes first, and that a route which the event was never sent
// to orders it as it is asked to.
func replaysOfKeys(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	var seqs []int64
	for i := range 4 {
		seqs = append(seqs, r.queueKeyed(fmt.Sprint(i+1), "x", "a").Seq)
		if i < 2 {
			r.settle(r.ended(r.lease1("a")))
		}
	}
	replay := func(seq int64, to spool.RouteWish) {
		t.Helper()
		if n, err := r.st.Redeliver(bg, seq, to); n != 1 || err != nil {
			t.Fatalf("Redeliver: %d, %v, want 1", n, err)
		}
	}
	// The key of a replay is its delivery's own.
	replay(seqs[1], spool.RouteWish{Route: "a", Key: "another"})
	replay(seqs[0], spool.RouteWish{})
	r.wantBehind("a replay", "1", "a", true)
	r.wantBehind("a replay", "2", "a", true)
	r.cut()
	for _, id := range []string{"3", "1", "2", "4"} {
		got := r.lease("a", 10)
		r.wantIDs("in turn", got, id)
		r.settle(r.ended(got[0]))
	}
	replay(seqs[3], spool.RouteWish{Route: "a"})
	r.wantBehind("a replay alone", "4", "a", false)
	replay(seqs[2], spool.RouteWish{Route: "a"})
	got := r.lease("a", 10)
	r.wantIDs("the place is the first one's", got, "4")
	r.settle(r.deadLetter(got[0], "refused"))
	r.wantIDs("then the next", r.lease("a", 10), "3")

	replay(seqs[1], spool.RouteWish{Route: "b", Key: "x"})
	replay(seqs[0], spool.RouteWish{Route: "b", Key: "x"})
	replay(seqs[2], spool.RouteWish{Route: "b", Key: "y"})
	replay(seqs[3], spool.RouteWish{Route: "b"})
	r.wantBehind("of another route", "1", "b", true)
	got = r.lease("b", 10)
	r.wantIDs("of another route", got, "2", "3", "4")
	r.settle(r.ended(got[0]))
	r.wantIDs("of another route, the next", r.lease("b", 10), "1")
}

// passesOfKeys checks that a probe and a pass over what waits take one of a key, and end,
// and that what they let go is due.
func passesOfKeys(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	for i, key := range []string{"x", "x", "y", "", "y"} {
		r.queueKeyed(fmt.Sprint(i+1), key, "a")
		r.add(time.Second)
	}
	for _, d := range r.lease("a", 10) {
		r.settle(r.failed(d, 3*hour))
	}
	p := pickOf("a", 1)
	p.IgnoreDue, p.UpTo = true, r.route("a").Last
	var taken []spool.Delivery
	for got := r.batch(p).Deliveries; len(got) > 0; got = r.batch(p).Deliveries {
		taken = append(taken, got...)
		p.After = got[0].Lease.Delivery
		if len(taken) == 1 {
			r.settle(r.ended(got[0]))
		}
		if len(taken) > 5 {
			t.Fatal("the pass does not end")
		}
	}
	// What the pass itself lets go may be part of it, if it lies ahead.
	if len(taken) == 4 {
		r.wantIDs("of a pass", taken, "1", "2", "3", "4")
	} else {
		r.wantIDs("of a pass", taken, "1", "3", "4")
		r.wantIDs("due after the pass", r.lease("a", 10), "2")
	}
	p.After, p.UpTo, p.N = 0, 0, 10
	r.wantIDs("of a probe", r.batch(p).Deliveries)
	r.wantBehind("while the first of its key runs", "5", "a", true)
}

// joinedKeys checks that the keys of two routes that become one are one: what runs goes on,
// and of what waits the oldest goes first.
func joinedKeys(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	before := r.queueKeyed("before", "v", "b").Seq
	r.settle(r.ended(r.lease1("b")))
	for i, c := range []struct{ key, route string }{
		{"x", "b"}, {"x", "a"}, {"x", "b"}, {"x", "a"}, // both wait
		{"y", "a"}, {"y", "b"}, {"y", "a"}, {"y", "b"}, // both run
		{"z", "b"}, {"z", "a"}, // one runs
		{"w", "b"}, {"w", "b"}, // of one alone
	} {
		r.queueKeyed(fmt.Sprint(i+1), c.key, c.route)
	}
	mine := r.lease("a", 10) // 2, 5, 10
	r.wantIDs("before", mine, "2", "5", "10")
	r.settle(r.failed(mine[0], hour))
	theirs := r.lease("b", 10) // 1, 6, 9, 11
	r.wantIDs("before", theirs, "1", "6", "9", "11")
	r.settle(r.failed(theirs[0], hour))
	r.settle(r.failed(theirs[2], hour))
	r.settle(r.failed(theirs[3], 0))
	r.ok(r.st.Configure(bg, "one", source, []spool.RouteName{{Name: "a", Was: "b"}}), "Configure")
	for id, behind := range map[string]bool{"1": false, "2": true, "3": true, "4": true, "9": true, "11": false, "12": true, "7": true, "8": true} {
		r.wantBehind("after both became one", id, "a", behind)
	}
	r.settle(r.ended(mine[1]))
	next := r.leaseAll(pickOf("a", 10), 1)
	r.wantIDs("while another of key y runs", next, "11")
	r.settle(r.ended(next[0]))
	r.wantIDs("of key w", r.lease("a", 10), "12")
	r.settle(r.ended(theirs[1]))
	next = r.lease("a", 10)
	r.wantIDs("when both have ended", next, "7")
	r.settle(r.ended(next[0]))
	r.wantIDs("the next of key y", r.lease("a", 10), "8")
	r.settle(r.ended(mine[2]))
	r.wantIDs("of key z", r.lease("a", 10), "9")
	r.add(hour)
	p := pickOf("a", 1)
	for _, id := range []string{"1", "2", "3", "4"} {
		p.IgnoreDue, p.After = true, 0
		got := r.batch(p).Deliveries
		r.wantIDs("of key x", got, id)
		r.settle(r.ended(got[0]))
	}
	if n, err := r.st.Redeliver(bg, before, spool.RouteWish{Route: "a"}); n != 1 || err != nil {
		t.Fatalf("Redeliver of what ended before: %d, %v, want 1", n, err)
	}
	r.wantIDs("what ended before", r.batch(p).Deliveries, "before")
}

// joinedEvent checks that an event which two routes had, that become one, is two of a key:
// retention ends both, each once.
func joinedEvent(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queueKeyed("1", "x", "a", "b")
	r.queueKeyed("2", "x", "a")
	r.ok(r.st.Configure(bg, "one", source, []spool.RouteName{{Name: "a", Was: "b"}}), "Configure")
	if st := r.route("a"); st.Waiting != 3 {
		t.Fatalf("the joined route is %+v, want three that wait", st)
	}
	got := r.leaseAll(pickOf("a", 10), 1)
	r.wantIDs("of both", got, "1")
	r.settle(r.failed(got[0], 200*hour))
	got = r.lease("a", 10)
	r.wantIDs("while it waits for its retry", got)
	r.add(100 * hour)
	r.sweep()
	if st := r.route("a"); st.Waiting != 0 || st.Running != 0 || st.Dead != 3 {
		t.Errorf("the joined route is %+v, want three dead letters", st)
	}
	r.queueKeyed("3", "x", "a")
	r.wantIDs("after retention", r.lease("a", 10), "3")
}

// orderEnds checks that what waits in order goes on so when its route orders no more,
// while what is new does not wait.
func orderEnds(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	for i := range 3 {
		r.queueKeyed(fmt.Sprint(i+1), "x", "a")
	}
	r.configure("a", "b")
	r.queue("4", "a")
	got := r.lease("a", 10)
	r.wantIDs("what is new", got, "1", "4")
	r.settle(r.ended(got[0]))
	got = r.lease("a", 10)
	r.wantIDs("what is left", got, "2")
	r.settle(r.ended(got[0]))
	r.wantIDs("the last", r.lease("a", 10), "3")
}
