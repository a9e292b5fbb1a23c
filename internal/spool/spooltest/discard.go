package spooltest

import (
	"fmt"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// discard checks that an operator lets dead letters and quarantine entries go, for
// good and before the answer, and nothing else goes with them.
func discard(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("e", "a", "b", "c")
	r.queue("other", "a")
	r.settle(r.deadLetter(r.lease1("a"), "refused"))
	r.settle(r.ended(r.lease1("b")))
	seq := r.record("e").Event.Seq
	discarded := func(route string, want int) {
		t.Helper()
		n, err := r.st.Discard(bg, seq, route)
		r.ok(err, "Discard")
		if n != want {
			t.Errorf("Discard(%q) let %d deliveries go, want %d", route, n, want)
		}
	}
	discarded("b", 0)
	discarded("c", 0)
	discarded("", 1)
	discarded("a", 0)
	_, err := r.st.Discard(bg, seq+1000, "")
	r.wantErr("Discard of no event", err, spool.ErrNotFound)
	_, err = r.st.Discard(bg, seq, "nowhere")
	r.wantErr("Discard for no route", err, spool.ErrNotFound)

	r.ok(r.st.Quarantine(bg, r.oddBody(source, "{")), "Quarantine")
	r.ok(r.st.Quarantine(bg, r.oddBody(source, "[")), "Quarantine")
	entry := r.odd()[0].Event.Seq
	r.ok(r.st.DiscardOdd(bg, entry), "DiscardOdd")
	r.wantErr("DiscardOdd twice", r.st.DiscardOdd(bg, entry), spool.ErrNotFound)

	r.cut()
	if got := r.delivery("e", "a"); got.State != spool.Discarded || got.Ended.IsZero() {
		t.Errorf("the discarded delivery is %+v after a power cut", got)
	}
	if st := r.route("a"); st.Dead != 0 || st.Waiting != 1 {
		t.Errorf("route a is %+v, want no dead letter and one that waits", st)
	}
	if got := r.delivery("e", "c"); got.State != spool.Available {
		t.Errorf("a delivery that waited is %v", got.State)
	}
	if left := r.odd(); len(left) != 1 || left[0].Event.Seq == entry {
		t.Errorf("%d entries in quarantine, want the other one", len(left))
	}
	n, err := r.st.Redeliver(bg, seq, spool.RouteWish{Route: "a"})
	r.ok(err, "Redeliver")
	if n != 1 || r.delivery("e", "a").State != spool.Available {
		t.Errorf("what was discarded cannot be sent again: %d", n)
	}
}

// searches checks that records are found by number, by bytes of the body, and by
// what a caller asks.
func searches(t testing.TB, mk Make) {
	r := eight(t, mk)
	e := r.record("3").Event
	for _, c := range []struct {
		name, want string
		q          spool.Query
	}{
		{"number", "[3]", spool.Query{Seq: e.Seq}},
		{"number and type", "[]", spool.Query{Seq: e.Seq, Type: "message.read"}},
		{"number of another source", "[]", spool.Query{Seq: e.Seq, Source: "other"}},
		{"no such number", "[]", spool.Query{Seq: e.Seq + 1000}},
		{"number and state", "[3]", spool.Query{Seq: e.Seq, State: spool.Running}},
		{"number and another state", "[]", spool.Query{Seq: e.Seq, State: spool.Dead}},
		{"number of an event, in quarantine", "[]", spool.Query{Kind: spool.Quarantined, Seq: e.Seq}},
		{"body", "[3]", spool.Query{Contains: e.Request.Body}},
		{"body and type", "[]", spool.Query{Contains: e.Request.Body, Type: "message.read"}},
		{"body in a state", "[3]", spool.Query{State: spool.Running, Contains: e.Request.Body}},
		{"body in another state", "[]", spool.Query{State: spool.Dead, Contains: e.Request.Body}},
		{"no such body", "[]", spool.Query{Contains: []byte("\x00nowhere")}},
		{"match", "[7 3]", spool.Query{Match: func(e *spool.Event) bool { return e.ID == "7" || e.ID == "3" }}},
		{"match in a state", "[7]", spool.Query{State: spool.Available, Match: func(e *spool.Event) bool { return e.ID == "7" || e.ID == "3" }}},
		{"match in quarantine", "[]", spool.Query{Kind: spool.Quarantined, Match: func(*spool.Event) bool { return false }}},
	} {
		for _, limit := range []int{0, 1} {
			c.q.Limit = limit
			if got := r.recordIDs(c.q); fmt.Sprint(got) != c.want {
				t.Errorf("%s, pages of %d: got %v, want %s", c.name, limit, got, c.want)
			}
		}
	}
	odd := r.odd()[0].Event.Seq
	if got := r.recordIDs(spool.Query{Kind: spool.Quarantined, Seq: odd}); len(got) != 1 {
		t.Errorf("%d entries of one number", len(got))
	}
}
