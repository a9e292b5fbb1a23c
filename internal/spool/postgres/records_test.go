//go:build linux

package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// openOn opens a store on a database, and closes it at the end of the test.
func openOn(t *testing.T, dsn string, o Options) *Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := Open(ctx, dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// digestOf is any function of the body.
func digestOf(body string) (d spool.Digest) {
	copy(d[:], body)
	return d
}

// numbered is the event of a number, in one of two sources and of one of three types.
func numbered(i int) *spool.Event {
	body := fmt.Sprintf("body of %d; needle%d", i, i%7)
	e := &spool.Event{
		Source: []string{"one", "two"}[i%2], ID: fmt.Sprintf("evt_%04d", i), Type: []string{"a.b", "a.c", "b%_"}[i%3],
		CreatedAt: time.Now(), Digest: digestOf(body), Received: time.Now().Add(time.Duration(i) * time.Second),
	}
	e.Request.Body = []byte(body)
	return e
}

// fill stores 240 events with deliveries of every state, routes that were taken over, and
// quarantine.
func fill(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	for i := range 240 {
		in := spool.Intake{Event: numbered(i)}
		for k := range i % 4 {
			in.Routes = append(in.Routes, spool.RouteWish{Route: []string{"crm", "erp", "old"}[k]})
		}
		if r, err := s.Accept(ctx, in); err != nil || r.Verdict != spool.Accepted {
			t.Fatal(r, err)
		}
	}
	for i := range 20 {
		e := numbered(1000 + i)
		if err := s.Quarantine(ctx, spool.Odd{Event: e, Reason: []string{"no id", "not JSON"}[i%2]}); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []spool.RouteKey{{Source: "one", Route: "crm"}, {Source: "two", Route: "crm"}, {Source: "two", Route: "erp"}, {Source: "one", Route: "old"}} {
		b, err := s.Lease(ctx, spool.Pick{Owner: "o", LeaseFor: time.Minute, Route: k, N: 35})
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range b.Deliveries {
			st := spool.Settlement{Lease: d.Lease, Attempt: spool.Attempt{N: 1, Start: time.Now(), Status: 500, Response: []byte("no")}}
			switch i % 5 {
			case 0:
				continue // It stays running.
			case 1:
				st.State = spool.Delivered
			case 2:
				st.State, st.Due = spool.Retrying, time.Now().Add(time.Hour)
			default:
				st.State, st.Reason = spool.Dead, "too often"
			}
			if err := s.Settle(ctx, st); err != nil {
				t.Fatal(err)
			}
			if i%10 == 4 {
				if n, err := s.Discard(ctx, d.Event.Seq, k.Route); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			if i%10 == 9 {
				if n, err := s.Redeliver(ctx, d.Event.Seq, spool.RouteWish{Route: k.Route}); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
		}
	}
	for _, src := range []string{"one", "two"} { // new takes over old, and crm takes over erp.
		if err := s.Configure(ctx, "o", src, []spool.RouteName{{Name: "new", Was: "old"}, {Name: "crm", Was: "erp"}}); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll reads every page of a query.
func readAll(t *testing.T, s spool.Log, q spool.Query) (all []spool.Record) {
	t.Helper()
	for pages := 0; ; pages++ {
		p, err := s.Records(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p.Records...)
		if q.Cursor = p.Next; p.Next == 0 {
			return all
		}
		if pages > 10000 {
			t.Fatal("the pages have no end")
		}
	}
}

// selects says what a query is to select, by the contract.
func selects(q *spool.Query, r *spool.Record) bool {
	e := r.Event
	ok := (q.Source == "" || q.Source == e.Source) && (q.ID == "" || q.ID == e.ID) && q.WantsType(e.Type) && (q.Seq == 0 || q.Seq == e.Seq) &&
		(q.Since.IsZero() || !e.Received.Before(q.Since)) && (q.Until.IsZero() || e.Received.Before(q.Until)) &&
		strings.Contains(string(e.Request.Body), string(q.Contains)) && (q.Match == nil || q.Match(e)) && (!q.Unrouted || len(r.Deliveries) == 0)
	if q.Kind == spool.Quarantined {
		return ok && strings.HasPrefix(r.Reason, q.Reason)
	}
	return ok && (!q.OfDeliveries() || slices.ContainsFunc(r.Deliveries, func(d spool.DeliveryRecord) bool {
		return q.Wants(spool.RouteKey{Source: e.Source, Route: d.Route}, d)
	}))
}

func pick[T any](all ...T) T { return all[rand.IntN(len(all))] }

// anyQuery makes up a query.
func anyQuery(some []spool.Record) spool.Query {
	var q spool.Query
	now := some[0].Event
	for range rand.IntN(4) {
		switch rand.IntN(12) {
		case 0:
			q.Source = pick("one", "two", "three")
		case 1:
			q.ID = pick(some...).Event.ID
		case 2:
			q.Type = pick("a.b", "b%_", "none")
		case 3:
			q.Types = pick([]string{"a.*"}, []string{"b%_", "x"}, []string{"b%*", "a.c"}, []string{"*"})
		case 4:
			q.Route = pick("crm", "erp", "new", "old", "none")
		case 5:
			if q.State = pick(spool.Available, spool.Running, spool.Retrying, spool.Delivered, spool.Dead, spool.Discarded); q.Waiting {
				q.State = 0
			}
		case 6:
			q.Waiting = q.State == 0
		case 7:
			q.Contains = pick([]byte("needle3"), []byte("of 1"), []byte("nothing"))
		case 8:
			q.Unrouted = true
		case 9:
			q.Since = now.Received.Add(-time.Duration(rand.IntN(200)) * time.Second)
		case 10:
			q.Until = now.Received.Add(-time.Duration(rand.IntN(200)) * time.Second)
		case 11:
			switch rand.IntN(3) {
			case 0:
				q.Match = func(e *spool.Event) bool { return e.Seq%3 == 0 }
			case 1:
				q.Delivery = func(_ spool.RouteKey, d spool.DeliveryRecord) bool { return d.Number%3 == 0 }
			case 2:
				q.Seq = pick(some...).Event.Seq
			}
		}
	}
	q.Limit, q.Settled = pick(7, 50, 0), rand.IntN(10) == 0
	return q
}

// TestRecordsAnyQuery asks queries that are made up, and compares what they select with
// what the contract says of all records.
func TestRecordsAnyQuery(t *testing.T) {
	t.Parallel()
	s := openOn(t, pgtest.Shared(t).Database(t), Options{})
	fill(t, s)
	all := readAll(t, s, spool.Query{})
	odd := readAll(t, s, spool.Query{Kind: spool.Quarantined})
	if len(all) != 240 || len(odd) != 20 {
		t.Fatal(len(all), len(odd))
	}
	if !slices.IsSortedFunc(all, func(a, b spool.Record) int { return int(b.Event.Seq - a.Event.Seq) }) {
		t.Error("they are not newest first")
	}
	hits := 0
	for range 300 {
		from, q := all, anyQuery(all)
		if rand.IntN(5) == 0 {
			from, q = odd, anyQuery(odd)
			q.Kind, q.Reason = spool.Quarantined, pick("", "no", "not JSON", "%")
			q.Route, q.State, q.Waiting, q.Unrouted, q.Delivery = "", 0, false, false, nil
		}
		var want []spool.Record
		for _, r := range from {
			if selects(&q, &r) {
				want = append(want, r)
			}
		}
		hits += len(want)
		got := readAll(t, s, q)
		if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(dueless(got), dueless(want)) {
			t.Fatalf("%+v: %d records, and %d that are as asked", q, len(got), len(want))
		}
		if n, err := s.Count(t.Context(), q, 0); err != nil || n.N != int64(len(want)) || n.Partial {
			t.Fatalf("%+v: counted %+v, %v; there are %d", q, n, err, len(want))
		}
	}
	if hits < 1000 {
		t.Errorf("all queries together found %d records: the test has lost its point", hits)
	}
}

// dueless leaves due times out: they are shown by the clock of the moment.
func dueless(all []spool.Record) []spool.Record {
	all = slices.Clone(all)
	for i := range all {
		all[i].Deliveries = slices.Clone(all[i].Deliveries)
		for k := range all[i].Deliveries {
			all[i].Deliveries[k].Due = all[i].Deliveries[k].Due.Truncate(time.Hour)
		}
	}
	return all
}

// TestRoutesCountsAgree compares the counts of Routes, which are kept by every change,
// with what there is.
func TestRoutesCountsAgree(t *testing.T) {
	t.Parallel()
	s := openOn(t, pgtest.Shared(t).Database(t), Options{})
	fill(t, s)
	states, err := s.Routes(t.Context())
	if err != nil || len(states) != 4 {
		t.Fatal(states, err)
	}
	for _, st := range states {
		var waiting, running, dead, last int64
		var oldest time.Time
		for _, r := range readAll(t, s, spool.Query{Source: st.Key.Source}) {
			for _, d := range r.Deliveries {
				switch {
				case d.Route != st.Key.Route:
					continue
				case d.State == spool.Available, d.State == spool.Retrying:
					waiting++
					last = max(last, d.Number)
					oldest = r.Event.Received
				case d.State == spool.Running:
					running++
					last = max(last, d.Number)
				case d.State == spool.Dead:
					dead++
				}
			}
		}
		if st.Waiting != waiting || st.Running != running || st.Dead != dead || !st.Oldest.Equal(oldest) || st.Last < last || st.Served != 1 || st.Hold != nil || st.HeldHere != nil {
			t.Errorf("%+v: there are %d waiting, %d running, %d dead; the oldest is of %v, the last number %d", st, waiting, running, dead, oldest, last)
		}
	}
}

// TestOperateErrors has what there is nothing of.
func TestOperateErrors(t *testing.T) {
	t.Parallel()
	s := openOn(t, pgtest.Shared(t).Database(t), Options{})
	ctx := t.Context()
	r, err := s.Accept(ctx, spool.Intake{Event: numbered(1)})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.Redeliver(ctx, r.Seq+1000, spool.RouteWish{}); n != 0 || !errors.Is(err, spool.ErrNotFound) {
		t.Error("redelivered an event that is not there:", n, err)
	}
	if n, err := s.Discard(ctx, r.Seq+1000, ""); n != 0 || !errors.Is(err, spool.ErrNotFound) {
		t.Error("discarded of an event that is not there:", n, err)
	}
	if n, err := s.Discard(ctx, r.Seq, "none"); n != 0 || !errors.Is(err, spool.ErrNotFound) {
		t.Error("discarded for a route that is not there:", n, err)
	}
	if err := s.DiscardOdd(ctx, r.Seq); !errors.Is(err, spool.ErrNotFound) {
		t.Error("discarded an entry that is not there:", err)
	}
	if n, err := s.Redeliver(ctx, r.Seq, spool.RouteWish{}); n != 0 || err != nil {
		t.Error("redelivered what has no delivery:", n, err)
	}
	if n, err := s.Redeliver(ctx, r.Seq, spool.RouteWish{Route: "crm"}); n != 1 || err != nil {
		t.Fatal("to a route of its own:", n, err)
	}
	rec := readAll(t, s, spool.Query{Seq: r.Seq})
	if len(rec) != 1 || len(rec[0].Deliveries) != 1 || rec[0].Deliveries[0].Replay != 1 || rec[0].Deliveries[0].Route != "crm" || rec[0].Deliveries[0].State != spool.Available {
		t.Fatalf("%+v", rec)
	}
	if n, err := s.Redeliver(ctx, r.Seq, spool.RouteWish{Route: "crm"}); n != 0 || err != nil {
		t.Error("redelivered what waits:", n, err)
	}
}

// TestRedeliverFromTwoMembers has two members redeliver one event to routes that it never
// had: each gets a number of its own.
func TestRedeliverFromTwoMembers(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	a, b := openOn(t, dsn, Options{}), openOn(t, dsn, Options{})
	r, err := a.Accept(t.Context(), spool.Intake{Event: numbered(1), Routes: []spool.RouteWish{{Route: "crm"}}})
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 20)
	for i := range 20 {
		s := []*Store{a, b}[i%2]
		go func() {
			n, err := s.Redeliver(t.Context(), r.Seq, spool.RouteWish{Route: fmt.Sprint("r", i/2)})
			if err == nil && n > 1 {
				err = fmt.Errorf("%d wait", n)
			}
			errs <- err
		}()
	}
	for range 20 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	rec := readAll(t, a, spool.Query{Seq: r.Seq})
	if len(rec) != 1 || len(rec[0].Deliveries) != 11 {
		t.Fatalf("%+v", rec)
	}
}

// TestDamagedRecords breaks what is stored of three events: each is shown, and says so.
func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	s := openOn(t, dsn, Options{})
	var seqs []int64
	for i := range 4 {
		r, err := s.Accept(t.Context(), spool.Intake{Event: numbered(2 * i), Routes: []spool.RouteWish{{Route: "crm"}}})
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, r.Seq)
	}
	tx := begun(t, dsn)
	for i, sql := range []string{`UPDATE @.events SET body='x' WHERE seq=$1`, `UPDATE @.events SET head='x' WHERE seq=$1`, `DELETE FROM @.events WHERE seq=$1`} {
		if _, err := tx.Exec(t.Context(), s.sql(sql), seqs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]spool.Query{"waiting": {Waiting: true}, "by state": {Route: "crm", State: spool.Available}} {
		all := readAll(t, s, q)
		if len(all) != 4 {
			t.Fatal(name, len(all))
		}
		for i, r := range all {
			if want := i < 3; r.Event.Seq != seqs[3-i] || (r.Reason == reasonDamaged) != want || len(r.Deliveries) != 1 {
				t.Errorf("%s: %d is %+v", name, i, r)
			}
		}
	}
	if all := readAll(t, s, spool.Query{Type: "a.b"}); len(all) != 2 { // The whole one, and that whose head is broken.
		t.Errorf("of a type, %d are shown", len(all))
	}
}
