package spooltest

import (
	"fmt"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// recordIDs reads all pages of a query.
func (r *rig) recordIDs(q spool.Query) (got []string) {
	for range 100 {
		p, err := r.st.Records(bg, q)
		r.ok(err, "Records")
		if q.Limit > 0 && len(p.Records) > q.Limit {
			r.Fatalf("a page of %d records, want at most %d", len(p.Records), q.Limit)
		}
		for _, rec := range p.Records {
			got = append(got, rec.Event.ID)
		}
		if p.Next == 0 {
			return got
		}
		q.Cursor = p.Next
	}
	r.Fatal("the pages of a query do not end")
	return nil
}

// eight accepts events 0 to 7, a minute apart, for one or both of two routes or
// for none, and brings some of them on their way.
func eight(t testing.TB, mk Make) *rig {
	r := newRig(t, mk, spool.Settings{})
	for n := range 8 {
		r.set(epoch.Add(time.Duration(n) * time.Minute))
		in := intake(r.event(fmt.Sprint(n)), []string{"a", "b"}[n%2])
		if n == 4 {
			in.Routes = nil
		}
		if n == 5 {
			in.Event.Type = "message.read"
		}
		if n == 6 {
			in.Event.Source = "other"
		}
		if n == 7 {
			in.Routes = intake(nil, "a", "b").Routes
		}
		r.want(in, spool.Accepted)
	}
	r.settle(r.ended(r.lease1("a")))
	r.settle(r.deadLetter(r.lease1("b"), "refused"))
	r.settle(r.failed(r.lease1("a"), time.Hour))
	r.lease1("b")
	r.ok(r.st.Quarantine(bg, spool.Odd{Event: r.event("odd"), Reason: "trailing data"}), "Quarantine")
	return r
}

func recordFilters(t testing.TB, mk Make) {
	r := eight(t, mk)
	at := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Minute) }
	for _, c := range []struct {
		name string
		q    spool.Query
		want string
	}{
		{"all", spool.Query{}, "[7 6 5 4 3 2 1 0]"},
		{"source", spool.Query{Source: "other"}, "[6]"},
		{"id", spool.Query{ID: "3"}, "[3]"},
		{"id of another source", spool.Query{Source: source, ID: "6"}, "[]"},
		{"type", spool.Query{Type: "message.read"}, "[5]"},
		{"types", spool.Query{Types: []string{"message.read", "none"}}, "[5]"},
		{"types, by their beginning", spool.Query{Types: []string{"message.re*"}, Since: at(3)}, "[5]"},
		{"types, all", spool.Query{Types: []string{"*"}, Since: at(5)}, "[7 6 5]"},
		{"types, none", spool.Query{Types: []string{"message", "%", "mess?ge.*", "MESSAGE.*"}}, "[]"},
		{"route", spool.Query{Source: source, Route: "a"}, "[7 2 0]"},
		{"delivered", spool.Query{State: spool.Delivered}, "[0]"},
		{"dead", spool.Query{State: spool.Dead}, "[1]"},
		{"retrying", spool.Query{State: spool.Retrying}, "[2]"},
		{"running", spool.Query{State: spool.Running}, "[3]"},
		{"available", spool.Query{State: spool.Available}, "[7 6 5]"},
		{"route and state", spool.Query{Route: "b", State: spool.Available}, "[7 5]"},
		{"route without the state", spool.Query{Route: "b", State: spool.Delivered}, "[]"},
		{"unrouted", spool.Query{Unrouted: true}, "[4]"},
		{"since", spool.Query{Since: at(5)}, "[7 6 5]"},
		{"until", spool.Query{Until: at(2)}, "[1 0]"},
		{"between", spool.Query{Since: at(2), Until: at(4)}, "[3 2]"},
		{"in quarantine", spool.Query{Kind: spool.Quarantined}, "[odd]"},
		{"in quarantine since", spool.Query{Kind: spool.Quarantined, Since: at(8)}, "[]"},
		{"in quarantine of another source", spool.Query{Kind: spool.Quarantined, Source: "other"}, "[]"},
	} {
		for _, limit := range []int{0, 1, 2, 3} {
			c.q.Limit = limit
			if got := fmt.Sprint(r.recordIDs(c.q)); got != c.want {
				t.Errorf("%s, pages of %d: got %s, want %s", c.name, limit, got, c.want)
			}
		}
	}
	rec := r.record("7")
	r.sameEvent(rec.Event, r.event("7"))
	if len(rec.Deliveries) != 2 || rec.Deliveries[0].Number == rec.Deliveries[1].Number {
		t.Errorf("deliveries are %+v, want one a route, each with a number", rec.Deliveries)
	}
}

// recordPages checks that events that come while pages are being read move nothing.
func recordPages(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	for n := range 10 {
		r.queue(fmt.Sprint(n), "a")
		r.ok(r.st.Quarantine(bg, r.oddBody(source, fmt.Sprint("odd ", n))), "Quarantine")
	}
	for _, kind := range []spool.Kind{spool.Events, spool.Quarantined} {
		var seqs []int64
		want := len(r.records(spool.Query{Kind: kind}))
		q := spool.Query{Kind: kind, Limit: 4}
		for page := range 10 {
			p, err := r.st.Records(bg, q)
			r.ok(err, "Records")
			for _, rec := range p.Records {
				seqs = append(seqs, rec.Event.Seq)
			}
			r.queue(fmt.Sprint("new ", kind, page), "a")
			r.ok(r.st.Quarantine(bg, r.oddBody(source, fmt.Sprint("new odd ", kind, page))), "Quarantine")
			if q.Cursor = p.Next; q.Cursor == 0 {
				break
			}
		}
		for i := 1; i < len(seqs); i++ {
			if seqs[i] >= seqs[i-1] {
				t.Errorf("numbers %v, want them falling", seqs)
				break
			}
		}
		if len(seqs) != want {
			t.Errorf("%d records, want the %d that were there at the first page", len(seqs), want)
		}
	}
}
