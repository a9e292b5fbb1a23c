//go:build linux

package postgres

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// begun is a transaction of somebody else, on a connection of its own.
func begun(t *testing.T, dsn string) pgx.Tx {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	tx, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// settledNow returns the numbers that a follower is shown.
func settledNow(t *testing.T, s *Store) (found []int64) {
	t.Helper()
	for _, r := range readAll(t, s, spool.Query{Settled: true}) {
		found = append(found, r.Event.Seq)
	}
	return found
}

// TestSettledWaitsForLowerNumbers has a transaction draw a number and take its time: an
// event of a larger one, though committed, is not shown to a follower before that has
// ended, and the count is the same.
func TestSettledWaitsForLowerNumbers(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	s := openOn(t, dsn, Options{})
	accept := func(i int) int64 {
		r, err := s.Accept(t.Context(), spool.Intake{Event: numbered(i)})
		if err != nil {
			t.Fatal(err)
		}
		return r.Seq
	}
	first := accept(1)
	if got := settledNow(t, s); !slices.Equal(got, []int64{first}) {
		t.Fatal("of what nothing is before, a follower is shown", got)
	}
	tx := begun(t, dsn)
	if _, err := tx.Exec(t.Context(), s.sql(`INSERT INTO @.events (seq, at, source, id, type, head, body)
		SELECT nextval('@.numbers'), at, source, 'slow', type, head, body FROM @.events LIMIT 1`)); err != nil {
		t.Fatal(err)
	}
	late := accept(2)
	for range 3 {
		if got := settledNow(t, s); !slices.Equal(got, []int64{first}) {
			t.Fatalf("a follower was shown %v while a number below %d could still appear", got, late)
		}
	}
	if n, err := s.Count(t.Context(), spool.Query{Settled: true}, 0); n.N != 1 || err != nil {
		t.Error("counted:", n, err)
	}
	if got := readAll(t, s, spool.Query{}); len(got) != 2 {
		t.Error(len(got), "are shown to those who do not follow")
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := settledNow(t, s); len(got) != 3 || got[0] != late || got[2] != first {
		t.Errorf("after the end of all, a follower is shown %v", got)
	}
}

// TestSettledGoesOnUnderLoad has one accept or another be under way all the time: a
// follower is shown what they are not before.
func TestSettledGoesOnUnderLoad(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	s := openOn(t, dsn, Options{})
	lock := s.sql(`LOCK TABLE @.events IN ROW EXCLUSIVE MODE`)
	old := begun(t, dsn)
	if _, err := old.Exec(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	r, err := s.Accept(t.Context(), spool.Intake{Event: numbered(1)})
	if err != nil {
		t.Fatal(err)
	}
	if got := settledNow(t, s); len(got) != 0 {
		t.Fatal("shown:", got)
	}
	newer := begun(t, dsn)
	if _, err := newer.Exec(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	if err := old.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := settledNow(t, s); !slices.Equal(got, []int64{r.Seq}) {
		t.Error("what began later than the event was committed keeps it from a follower, who is shown", got)
	}
	if err := newer.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestSettledNotHeldUpByOthers has a long transaction that is of no event.
func TestSettledNotHeldUpByOthers(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	s := openOn(t, dsn, Options{})
	tx := begun(t, dsn)
	if _, err := tx.Exec(t.Context(), s.sql(`SELECT pg_current_xact_id(), count(*) FROM @.events`)); err != nil {
		t.Fatal(err)
	}
	r, err := s.Accept(t.Context(), spool.Intake{Event: numbered(1)})
	if err != nil {
		t.Fatal(err)
	}
	if got := settledNow(t, s); !slices.Equal(got, []int64{r.Seq}) {
		t.Error("a follower is shown", got)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}
