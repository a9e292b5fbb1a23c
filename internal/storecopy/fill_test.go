//go:build linux

package storecopy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/postgres"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

// testClock is the clock of all stores of a test.
type testClock struct{ ahead atomic.Int64 }

var began = time.Now().Round(0)

func (c *testClock) now() time.Time { return began.Add(time.Duration(c.ahead.Load())) }

func (c *testClock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

var settings = spool.Settings{Window: 3 * time.Hour, Retention: 24 * time.Hour}

// sweeper is a store of either engine.
type sweeper interface {
	spool.Store
	Sweep(ctx context.Context) error
}

func openDir(t *testing.T, dir string, c *testClock) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(dir, sqlite.Options{Now: c.now, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openDSN(t *testing.T, dsn string, c *testClock) *postgres.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := postgres.Open(ctx, dsn, postgres.Options{Now: c.now, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// numbered is the event of a number, created at the clock's time.
func numbered(i int, c *testClock, more string) *spool.Event {
	body := fmt.Sprintf("body of %d%s", i, more)
	e := &spool.Event{Source: []string{"one", "two"}[i%2], ID: fmt.Sprintf("evt_%04d", i), Type: "a.b", CreatedAt: c.now(), Received: c.now(), Digest: sha256.Sum256([]byte(body))}
	e.Request.Body, e.Request.Method, e.Request.Header = []byte(body), "POST", map[string][]string{"X-N": {fmt.Sprint(i)}}
	return e
}

// fill gives a store some of everything, over some hours. events is how many are of each
// of its three hours.
func fill(t *testing.T, s sweeper, c *testClock, events int) {
	t.Helper()
	ctx := t.Context()
	accept := func(in spool.Intake, want spool.Verdict) spool.Receipt {
		t.Helper()
		r, err := s.Accept(ctx, in)
		if err != nil || r.Verdict != want {
			t.Fatal(r, err)
		}
		return r
	}
	for hour := range 3 {
		for i := hour * events; i < (hour+1)*events; i++ {
			in := spool.Intake{Event: numbered(i, c, "")}
			for k := range i % 4 {
				in.Routes = append(in.Routes, spool.RouteWish{Route: []string{"crm", "erp", "old"}[k]})
			}
			accept(in, spool.Accepted)
		}
		c.pass(80 * time.Minute)
	}
	if err := s.Sweep(ctx); err != nil { // The first hour's ids are forgotten.
		t.Fatal(err)
	}
	last := 3*events - 1
	for k := range 3 {
		accept(spool.Intake{Event: numbered(last, c, fmt.Sprint(" other ", k))}, spool.Conflict)
	}
	for i := range 5 {
		for range i%2 + 1 {
			if err := s.Quarantine(ctx, spool.Odd{Event: numbered(90000+i, c, ""), Reason: "not JSON"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	odd, err := s.Records(ctx, spool.Query{Kind: spool.Quarantined, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	released := *odd.Records[0].Event
	released.Seq = 0
	accept(spool.Intake{Event: &released, Release: odd.Records[0].Event.Seq, DeliverStale: true}, spool.Accepted)
	settleSome(t, s, c)
	for _, src := range []string{"one", "two"} {
		if err := s.Configure(ctx, "o", src, []spool.RouteName{{Name: "new", Was: "old"}, {Name: "crm", Was: "erp"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Hold(ctx, "", spool.RouteKey{Source: "one", Route: "crm"}, spool.Hold{Since: c.now(), Reason: "by hand", ByHand: true}); err != nil {
		t.Fatal(err)
	}
}

// settleSome has some deliveries end in every way, and some stay running.
func settleSome(t *testing.T, s sweeper, c *testClock) {
	t.Helper()
	for _, k := range []spool.RouteKey{{Source: "two", Route: "crm"}, {Source: "one", Route: "erp"}, {Source: "two", Route: "old"}} {
		b, err := s.Lease(t.Context(), spool.Pick{Owner: "o", LeaseFor: time.Minute, Route: k, N: 22})
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range b.Deliveries {
			st := spool.Settlement{Lease: d.Lease, Attempt: spool.Attempt{N: 1, Start: c.now(), Status: 500, Response: []byte("no")}}
			switch i % 5 {
			case 0:
				continue
			case 1:
				st.State = spool.Delivered
			case 2:
				st.State, st.Due = spool.Retrying, c.now().Add(time.Hour)
			default:
				st.State, st.Reason = spool.Dead, "too often"
			}
			if err := s.Settle(t.Context(), st); err != nil {
				t.Fatal(err)
			}
			if i%10 == 4 {
				_, err = s.Discard(t.Context(), d.Event.Seq, k.Route)
			} else if i%10 == 9 {
				_, err = s.Redeliver(t.Context(), d.Event.Seq, spool.RouteWish{Route: k.Route})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
