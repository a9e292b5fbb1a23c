package sqlite

import (
	"errors"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func learn(t *testing.T, s *Store) {
	t.Helper()
	if err := s.buildFilter(bg); err != nil {
		t.Fatal(err)
	}
}

// TestFilterHidesNoID: an id is a duplicate wherever it was when the filter was
// made: in the table, recent, half merged, or there because of a conflict.
func TestFilterHidesNoID(t *testing.T) {
	t.Parallel()
	for name, rooms := range map[string]filterRooms{
		"roomy": {}, "always too full": {1, 2, 4, 1 << 12}, "too large for one": {1, 1, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mustOpen(t, t.TempDir(), Options{limits: limits{recent: 16, run: 4, rooms: rooms}})
			for i := range int64(400) {
				accept(t, s, benchEvent(i), "a", false)
				switch i % 50 {
				case 7, 29:
					learn(t, s)
				case 11:
					other := benchEvent(i - 5)
					other.Digest[0]++
					if r, err := s.Accept(bg, spool.Intake{Event: other}); err != nil || r.Verdict != spool.Conflict {
						t.Errorf("an id with another body: %v, %v", r, err)
					}
				case 41:
					broken := errors.New("medium is broken")
					if err := s.submit(bg, true, 0, func(*writer) error { return broken }); !errors.Is(err, broken) {
						t.Error(err)
					}
					eventually(t, "reopening", func() error { return s.Stats().Unavailable })
				}
			}
			for i := range int64(400) {
				if r, err := s.Accept(bg, spool.Intake{Event: benchEvent(i)}); err != nil || r.Verdict != spool.Duplicate {
					t.Errorf("event %d comes again: %v, %v", i, r.Verdict, err)
				}
			}
		})
	}
}

// TestFilterSavesSearches: without it every new id is looked for in the table.
func TestFilterSavesSearches(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, t.TempDir(), Options{limits: limits{recent: 16, run: 4, rooms: filterRooms{1 << 12}}})
	next := int64(0)
	searches := func(n int64) (searches int) {
		t.Helper()
		run := func(w *writer) error {
			searches = w.q.knownID.Status(sqlite3.STMTSTATUS_RUN, true)
			return nil
		}
		if err := s.submit(bg, false, 0, run); err != nil {
			t.Fatal(err)
		}
		for range n {
			next++
			accept(t, s, benchEvent(next), "a", false)
		}
		if err := s.submit(bg, false, 0, run); err != nil {
			t.Fatal(err)
		}
		return searches
	}
	_ = searches(500)
	learn(t, s)
	if n := searches(500); n > 50 {
		t.Errorf("%d searches for 500 new ids", n)
	}
}

// TestFilterGrowsAnew: one that has become too full is made again, larger.
func TestFilterGrowsAnew(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, t.TempDir(), Options{limits: limits{recent: 8, run: 4, rooms: filterRooms{32, 256, 1024, 4096}}})
	room := func() (room int) {
		learn(t, s)
		if err := s.withFilter(bg, func(f *idFilter) { room = f.table.room }); err != nil {
			t.Fatal(err)
		}
		return room
	}
	for i := range int64(24) {
		accept(t, s, benchEvent(i), "a", false)
	}
	if n := room(); n != 32 {
		t.Errorf("room for %d", n)
	}
	for i := int64(24); i < 100; i++ {
		accept(t, s, benchEvent(i), "a", false)
	}
	if n := room(); n != 256 {
		t.Errorf("room for %d", n)
	}
}
