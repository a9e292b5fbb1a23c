//go:build linux

package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// TestAServerThatHangsIsLeft: a primary that answers nothing and closes nothing, as a
// machine that hangs, is left for the standby that was promoted in its place, long before
// its connections would be given up.
func TestAServerThatHangsIsLeft(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t, pgtest.Options{})
	database, err := primary.CreateDatabase()
	if err != nil {
		t.Fatal(err)
	}
	standby := pgtest.StartStandby(t, primary, "next")
	if err := primary.SetSynchronous("next"); err != nil {
		t.Fatal(err)
	}
	st, err := Open(t.Context(), pgtest.DSNOf(database, primary, standby), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	if err := st.Configure(t.Context(), "one", "inbox", []spool.RouteName{{Name: "a"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Accept(t.Context(), starting("before")); err != nil {
		t.Fatal(err)
	}
	if err := primary.Freeze(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := primary.Thaw(); err != nil {
			t.Error(err)
		}
	})
	// What was under way when it froze hangs in each of the connections.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	_, err = st.Accept(ctx, starting("meanwhile"))
	cancel()
	if err == nil {
		t.Error("a frozen server has stored an event")
	}
	if err := standby.Promote(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		got, err := st.Accept(ctx, starting("after"))
		cancel()
		if err == nil {
			t.Logf("%v after %v", got.Verdict, time.Since(began))
			break
		}
		if time.Since(began) > stuckWithin/2 {
			t.Fatalf("the new primary is not used after %v: %v", time.Since(began), err)
		}
	}
	if got, err := st.Accept(t.Context(), starting("before")); err != nil || got.Verdict != spool.Duplicate {
		t.Errorf("what the standby had: %v, %v, want a duplicate", got.Verdict, err)
	}
}
