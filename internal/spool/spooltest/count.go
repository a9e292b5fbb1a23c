package spooltest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// counts: what is counted is what the pages of the same query hold.
func counts(t testing.TB, mk Make) {
	r := eight(t, mk)
	// Events with several deliveries in a state count once.
	for _, id := range []string{"8", "9"} {
		r.want(intake(r.event(id), "a", "b"), spool.Accepted)
	}
	r.ok(r.st.Quarantine(bg, spool.Odd{Event: r.event("odder"), Reason: "trailing space"}), "Quarantine")
	at := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Minute) }
	for _, q := range countQueries(at) {
		want := spool.Count{N: int64(len(r.recordIDs(q)))}
		for _, cursor := range []int64{0, 4} {
			q.Cursor, q.Limit = cursor, 2
			got, err := spool.CountRecords(bg, r.st, q, 0)
			if r.ok(err, "CountRecords"); got != want {
				t.Errorf("%s: counted %+v, want %+v", describe(q), got, want)
			}
		}
		got, err := spool.CountRecords(bg, r.st, q, time.Nanosecond)
		if r.ok(err, "CountRecords"); got.N > want.N || !got.Partial && got != want {
			t.Errorf("%s: counted %+v in no time, want at most %d, or Partial", describe(q), got, want.N)
		}
	}
}

// countQueries are each word of a query alone, and pairs that an engine may count in
// different ways.
func countQueries(at func(int) time.Time) []spool.Query {
	states := []spool.State{0, spool.Available, spool.Running, spool.Retrying, spool.Delivered, spool.Dead, spool.Discarded}
	var all []spool.Query
	for _, state := range states {
		for _, route := range []string{"", "a", "b", "none"} {
			q := spool.Query{State: state, Route: route}
			all = append(all, q)
			for _, change := range []func(*spool.Query){
				func(q *spool.Query) { q.Source = source },
				func(q *spool.Query) { q.Source = "other" },
				func(q *spool.Query) { q.Source = "none" },
				func(q *spool.Query) { q.Type = "message.read" },
				func(q *spool.Query) { q.Types = []string{"message.read", "none"} },
				func(q *spool.Query) { q.Types = []string{"none", "message.re*"} },
				func(q *spool.Query) { q.Types = []string{"MESSAGE.*", "mess%"} },
				func(q *spool.Query) { q.ID = "7" },
				func(q *spool.Query) { q.Since = at(3) },
				func(q *spool.Query) { q.Until = at(6) },
				func(q *spool.Query) { q.Contains = []byte("7") },
				func(q *spool.Query) { q.Match = func(e *spool.Event) bool { return e.ID > "2" } },
				func(q *spool.Query) {
					q.Delivery = func(_ spool.RouteKey, d spool.DeliveryRecord) bool { return d.Attempts > 0 }
				},
			} {
				one := q
				change(&one)
				all = append(all, one)
			}
		}
	}
	for _, route := range []string{"", "a", "b"} {
		all = append(all, spool.Query{Waiting: true, Route: route}, spool.Query{Waiting: true, Route: route, Since: at(3)}, spool.Query{Waiting: true, Route: route, Source: "other"})
	}
	all = append(all, spool.Query{Unrouted: true}, spool.Query{Unrouted: true, Source: "other"}, spool.Query{Seq: 3})
	for _, q := range []spool.Query{{}, {Reason: "trailing"}, {Reason: "trailing data"}, {Reason: "data"}, {Source: "other"}, {ID: "odd"}, {Since: at(9)}, {Contains: []byte("odd")}, {Reason: "trailing", ID: "odder"}} {
		q.Kind = spool.Quarantined
		all = append(all, q)
	}
	return all
}

// describe names a query by its words that are set.
func describe(q spool.Query) string {
	text := fmt.Sprintf("kind:%d source:%s id:%s type:%s types:%v route:%s state:%v waiting:%v unrouted:%v contains:%s reason:%s match:%v delivery:%v since:%v until:%v",
		q.Kind, q.Source, q.ID, q.Type, q.Types, q.Route, q.State, q.Waiting, q.Unrouted, q.Contains, q.Reason, q.Match != nil, q.Delivery != nil, q.Since, q.Until)
	words := slices.DeleteFunc(strings.Fields(text), func(w string) bool {
		_, value, _ := strings.Cut(w, ":")
		return value == "" || value == "false" || value == "0" || value == "[]"
	})
	return strings.Join(words, " ")
}

// waiting: what has not ended and does not run is selected as one.
func waiting(t testing.TB, mk Make) {
	r := eight(t, mk)
	for _, c := range []struct {
		q    spool.Query
		want string
	}{
		{spool.Query{Waiting: true}, "[7 6 5 2]"},
		{spool.Query{Waiting: true, Source: source, Route: "a"}, "[7 2]"},
		{spool.Query{Waiting: true, Route: "b"}, "[7 5]"},
		{spool.Query{Waiting: true, Source: "other"}, "[6]"},
		{spool.Query{Kind: spool.Quarantined, Reason: "trailing"}, "[odd]"},
		{spool.Query{Kind: spool.Quarantined, Reason: "data"}, "[]"},
	} {
		for _, limit := range []int{0, 1, 3} {
			c.q.Limit = limit
			if got := fmt.Sprint(r.recordIDs(c.q)); got != c.want {
				t.Errorf("%s, pages of %d: got %s, want %s", describe(c.q), limit, got, c.want)
			}
		}
	}
	keys := map[spool.RouteKey]bool{}
	r.recordIDs(spool.Query{Delivery: func(k spool.RouteKey, _ spool.DeliveryRecord) bool { keys[k] = true; return false }})
	for _, k := range []spool.RouteKey{{Source: source, Route: "a"}, {Source: source, Route: "b"}, {Source: "other", Route: "a"}} {
		if !keys[k] {
			t.Errorf("Query.Delivery was asked for %v, want %v among them", keys, k)
		}
	}
}
