//go:build linux

package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

// starting is an intake of one event whose delivery is to run at once.
func starting(id string) spool.Intake {
	body := []byte(`{"id":"` + id + `"}`)
	return spool.Intake{
		Event: &spool.Event{
			Source: "inbox", ID: id, Type: "message.failed", CreatedAt: time.Now(), Digest: sha256.Sum256(body),
			Request: spool.Request{Method: "POST", URI: "/", Host: "hooks.example.com", Body: body},
		},
		Routes: []spool.RouteWish{{Route: "a", Start: true}},
		Owner:  "one", LeaseFor: time.Minute,
	}
}

// openEngine opens a store whose source has a route, on an engine of its own.
func openEngine(t *testing.T, how pgtest.Faults) (*engine, *Store) {
	t.Helper()
	e := makeEngine(how)(t).(*engine)
	st, err := e.Open(t, spooltest.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Configure(t.Context(), "one", "inbox", []spool.RouteName{{Name: "a"}}); err != nil {
		t.Fatal(err)
	}
	return e, st.(*Store)
}

// TestAnAmbiguousCommitIsRecognised: what a commit has left whose outcome was not known
// is the caller's own, with its leases, and no duplicate; and it is durable when the
// caller hears of it.
func TestAnAmbiguousCommitIsRecognised(t *testing.T) {
	t.Parallel()
	for _, how := range []pgtest.Failure{pgtest.Crash, pgtest.Terminate, pgtest.Cancel, pgtest.LoseAnswer} {
		t.Run(how.String(), func(t *testing.T) {
			t.Parallel()
			e, st := openEngine(t, pgtest.Faults{Failure: how})
			// So that the next one has no times to write down, which would be durable.
			if _, err := st.Accept(t.Context(), starting("0")); err != nil {
				t.Fatal(err)
			}
			e.pair.Fail(0, 1)
			got, err := st.Accept(t.Context(), starting("1"))
			if err != nil {
				t.Fatal(err)
			}
			if got.Verdict != spool.Accepted || len(got.Running) != 1 {
				t.Fatalf("got %v with %d running, want accepted with one", got.Verdict, len(got.Running))
			}
			if st.Health().Ambiguous == 0 {
				t.Error("the fault was not met")
			}
			lost, err := st.Extend(t.Context(), []spool.Lease{got.Running[0].Lease}, time.Minute)
			if err != nil || len(lost) != 0 {
				t.Errorf("Extend: %v, %v, want the lease kept", lost, err)
			}
			e.PowerCut(t)
			again, err := e.Open(t, spooltest.Options{Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := again.Accept(t.Context(), starting("1")); err != nil || got.Verdict != spool.Duplicate {
				t.Errorf("after the failover: %v, %v, want a duplicate", got.Verdict, err)
			}
		})
	}
}

// TestACommitThatStaysAmbiguousIsNoSuccess: an event whose outcome stays unknown for as
// long as is tried is refused, and what it had left is given up by nobody's count.
func TestACommitThatStaysAmbiguousIsNoSuccess(t *testing.T) {
	t.Parallel()
	for _, how := range []pgtest.Failure{pgtest.Terminate, pgtest.Cancel, pgtest.LoseAnswer} {
		t.Run(how.String(), func(t *testing.T) {
			t.Parallel()
			e, st := openEngine(t, pgtest.Faults{Failure: how})
			e.FailSyncs(0, many)
			if got, err := st.Accept(t.Context(), starting("1")); !errors.Is(err, spool.ErrUnavailable) {
				t.Errorf("got %v, %v, want ErrUnavailable", got.Verdict, err)
			}
			e.FailSyncs(0, 0)
			if got, err := st.Accept(t.Context(), starting("1")); err != nil || got.Verdict != spool.Duplicate {
				t.Errorf("offered again: %v, %v, want a duplicate", got.Verdict, err)
			}
			e.PowerCut(t)
			again, err := e.Open(t, spooltest.Options{Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := again.Accept(t.Context(), starting("1")); err != nil || got.Verdict != spool.Duplicate {
				t.Errorf("after the failover: %v, %v, want a duplicate", got.Verdict, err)
			}
		})
	}
}

// TestEveryCallGoesOnAfterACrash: a server that crashed in place and is back has cost
// each connection its socket, and no caller an answer.
func TestEveryCallGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	e, st := openEngine(t, pgtest.Faults{})
	ctx := context.Background()
	var running []spool.Delivery
	for i := range 3 {
		got, err := st.Accept(ctx, starting(fmt.Sprint(i)))
		if err != nil || len(got.Running) != 1 {
			t.Fatalf("Accept: %d running, %v", len(got.Running), err)
		}
		running = append(running, got.Running...)
	}
	crash := func() {
		t.Helper()
		pid, err := pgtest.One[int](e.pair.Primary(), "postgres", "SELECT min(pid) FROM pg_stat_activity WHERE datname=$1", e.database)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.pair.Primary().KillBackend(pid); err != nil {
			t.Fatal(err)
		}
	}
	route := spool.RouteKey{Source: "inbox", Route: "a"}
	for what, call := range map[string]func() error{
		"Accept": func() error { _, err := st.Accept(ctx, starting("after")); return err },
		"Lease": func() error {
			_, err := st.Lease(ctx, spool.Pick{Owner: "one", Route: route, N: 1, LeaseFor: time.Minute})
			return err
		},
		"Extend": func() error {
			_, err := st.Extend(ctx, []spool.Lease{running[0].Lease}, time.Minute)
			return err
		},
		"Settle": func() error {
			return st.Settle(ctx, spool.Settlement{Lease: running[1].Lease, State: spool.Delivered, Attempt: spool.Attempt{N: 1, Start: time.Now(), Status: 200}})
		},
		"Release": func() error { return st.Release(ctx, []spool.Lease{running[2].Lease}) },
		"Routes":  func() error { _, err := st.Routes(ctx); return err },
		"Records": func() error { _, err := st.Records(ctx, spool.Query{}); return err },
		"Hold": func() error {
			return st.Hold(ctx, "", route, spool.Hold{Reason: "by hand", ByHand: true, Since: time.Now()})
		},
		"Resume":    func() error { return st.Resume(ctx, "", route) },
		"Configure": func() error { return st.Configure(ctx, "one", "inbox", []spool.RouteName{{Name: "a"}, {Name: "b"}}) },
		"Sweep":     func() error { return st.Sweep(ctx) },
	} {
		crash()
		if err := call(); err != nil {
			t.Errorf("%s after a crash: %v", what, err)
		}
	}
}
