//go:build linux

package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// TestNobodyAbandonsACommit: callers that give up while a standby is away leave no
// sessions behind that hang at the server, where each would take one of the connections
// that it has.
func TestNobodyAbandonsACommit(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, pgtest.Options{})
	database, err := c.CreateDatabase()
	if err != nil {
		t.Fatal(err)
	}
	st, err := Open(t.Context(), c.DSN(database), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.SetSynchronous(""); err != nil {
			t.Error(err)
		}
		st.Close()
	})
	if err := st.Configure(t.Context(), "one", "inbox", []spool.RouteName{{Name: "a"}}); err != nil {
		t.Fatal(err)
	}
	if err := c.SetSynchronous("gone"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "2", "3", "4", "5", "6"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := st.Accept(ctx, starting(id)); err == nil {
			t.Error("an event counts as stored that no standby has")
		}
		cancel()
	}
	hanging, err := pgtest.One[int](c, database, `SELECT count(*)::int FROM pg_stat_activity
		WHERE backend_type='client backend' AND state='active' AND wait_event_type IN ('IPC', 'Lock') AND pid<>pg_backend_pid()`)
	if err != nil {
		t.Fatal(err)
	}
	if hanging > 1 {
		t.Errorf("%d sessions wait for the standby, or for those that do, want that of the one batch that is on its way", hanging)
	}
}
