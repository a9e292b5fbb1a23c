//go:build linux

package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// makeFormer makes a store of the version before order, with one event, and returns a
// connection to it.
func makeFormer(t *testing.T, dsn string) (s *Store, c *pgx.Conn) {
	t.Helper()
	s = openOn(t, dsn, Options{})
	if err := s.Configure(t.Context(), "one", "inbox", []spool.RouteName{{Name: "a"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accept(t.Context(), starting("1")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	run(t, c, s.sql(`DROP INDEX @.heads, @.behind, @.nexts; ALTER TABLE @.deliveries DROP COLUMN key; UPDATE @.meta SET value=1 WHERE name='schema'`))
	return s, c
}

// storeAsFormer stores a delivery as a program of the former version does.
const storeAsFormer = `INSERT INTO @.deliveries(number,route,state,fence,due,until) SELECT max(number)+1,min(route),1,0,min(due),0 FROM @.deliveries`

// TestTheFormerVersionGoesOn: a store of the version before has its tables changed when it
// is opened, by one of several that open it, and programs of that version go on with them.
func TestTheFormerVersionGoesOn(t *testing.T) {
	t.Parallel()
	for name, atOnce := range map[string]int64{"a small store": 0, "a large one": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.Shared(t).Database(t)
			s, c := makeFormer(t, dsn)
			ended := make(chan error, 4)
			for range cap(ended) {
				go func() {
					_, to, err := Migrate(t.Context(), dsn, Options{atOnce: atOnce})
					if err == nil && to != schemaVersion() {
						err = fmt.Errorf("the tables are of version %d", to)
					}
					ended <- err
				}()
			}
			for range cap(ended) {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
			run(t, c, s.sql(storeAsFormer))
			s = openOn(t, dsn, Options{})
			if err := s.Configure(t.Context(), "one", "inbox", []spool.RouteName{{Name: "a"}}); err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"2", "3"} {
				if _, err := s.Accept(t.Context(), keyedTo(id, "x")); err != nil {
					t.Fatal(err)
				}
			}
			if got := behindNow(t, s); len(got) != 3 || got["1"] || got["2"] || !got["3"] {
				t.Errorf("behind are %v, want the third", got)
			}
			var whole int
			if err := c.QueryRow(t.Context(), `SELECT count(*) FROM pg_index WHERE indrelid='inboxgate.deliveries'::regclass AND indisvalid`).Scan(&whole); err != nil || whole != 8 {
				t.Errorf("%d indexes, %v, want 8", whole, err)
			}
		})
	}
}

// TestALargeTableIsNotLocked: while the indexes of a large table are made, which waits for
// transactions that were begun before, members of the former version store events. What
// one has left half made that died is made anew.
func TestALargeTableIsNotLocked(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	s, c := makeFormer(t, dsn)
	run(t, c, s.sql(`ALTER TABLE @.deliveries ADD COLUMN key bigint; CREATE INDEX nexts ON @.deliveries (route)`))
	run(t, c, `UPDATE pg_index SET indisvalid=false WHERE indexrelid='inboxgate.nexts'::regclass`)
	reader := begun(t, dsn)
	if _, err := reader.Exec(t.Context(), s.sql(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM @.meta`), pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, _, err := Migrate(t.Context(), dsn, Options{atOnce: 1})
		ended <- err
	}()
	making := func() (yes bool) {
		if err := c.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE datname=current_database())`).Scan(&yes); err != nil {
			t.Fatal(err)
		}
		return yes
	}
	for end := time.Now().Add(30 * time.Second); !making(); {
		if time.Now().After(end) {
			t.Fatal("no index is being made beside a reader")
		}
		run(t, c, s.sql(`SET lock_timeout='4s'; `+storeAsFormer)) // It waits for the column, at most.
	}
	for range 10 {
		run(t, c, s.sql(`SET lock_timeout='100ms'; `+storeAsFormer))
	}
	if !making() {
		t.Error("the index was made meanwhile: nothing was shown")
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	var columns string
	if err := c.QueryRow(t.Context(), `SELECT pg_get_indexdef('inboxgate.nexts'::regclass)`).Scan(&columns); err != nil || !strings.Contains(columns, "(key, route, number)") {
		t.Errorf("the index that was half made is %q, %v", columns, err)
	}
}
