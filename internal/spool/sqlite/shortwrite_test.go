package sqlite

import (
	"errors"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

// shortWrites is a disk that becomes full in the middle of a write: of the
// write numbered at, from 1, it takes a half, and of the more-1 after it nothing.
type shortWrites struct{ at, more int }

// fits is how much of the next write the medium takes; its mu is held.
func (m *medium) fits(size int) int {
	m.writes++
	switch at := m.short.at; {
	case at == 0 || m.writes < at || m.writes >= at+m.short.more:
		return size
	case m.writes == at:
		return size / 2
	default:
		return 0
	}
}

// shorten has the after+1st write from now on be short, and n-1 more fail.
func (e *engine) shorten(after, n int) {
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	e.m.short = shortWrites{at: e.m.writes + after + 1, more: n}
}

func (e *engine) written() int {
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	return e.m.writes
}

// TestShortWrites: wherever the disk becomes full in an accept and its settle,
// what was not stored whole is not there at all, and nothing else is gone.
func TestShortWrites(t *testing.T) {
	t.Parallel()
	writes, _ := shortWriteAt(t, -1, 0)
	if writes < 4 {
		t.Fatalf("an accept and a settle made %d writes", writes)
	}
	// Once, and for so long that the store cannot be reopened at once.
	lasts := []int{1, 4}
	if testing.Short() {
		lasts = lasts[:1]
	}
	refused := 0
	for i := range writes {
		for _, n := range lasts {
			if _, failed := shortWriteAt(t, i, n); failed {
				refused++
			}
		}
	}
	t.Logf("%d writes, %d refusals", writes, refused)
	if refused < writes {
		t.Errorf("of %d short writes only %d led to a refusal", len(lasts)*writes, refused)
	}
}

// shortWriteAt accepts and settles an event on a disk that takes after writes
// more, and returns how many there were, and whether anything was refused.
func shortWriteAt(t *testing.T, after, n int) (writes int, refused bool) {
	t.Helper()
	e := newEngine(t)
	open := func() {
		if _, err := e.Open(t, spooltest.Options{Now: time.Now}); err != nil {
			t.Fatalf("short write %d: %v", after, err)
		}
		check(t, e.st)
	}
	open()
	accept(t, e.st, benchEvent(1), "a", true)
	before := e.written()
	if after >= 0 {
		e.shorten(after, n)
	}
	in := spool.Intake{Event: benchEvent(2), Owner: "o", LeaseFor: time.Minute, Routes: []spool.RouteWish{{Route: "b", Start: true}}}
	rc, err := e.st.Accept(bg, in)
	refused = err != nil
	if err == nil {
		err = e.st.Settle(bg, spool.Settlement{Lease: rc.Running[0].Lease, State: spool.Delivered})
	}
	if err != nil && !errors.Is(err, spool.ErrUnavailable) {
		t.Fatalf("short write %d: %v", after, err)
	}
	writes = e.written() - before
	eventually(t, "accept with room again", func() error {
		_, err := e.st.Accept(bg, spool.Intake{Event: benchEvent(3)})
		return err
	})
	wantVerdicts(t, e.st, after, !refused)
	e.PowerCut(t)
	open()
	wantVerdicts(t, e.st, after, true)
	return writes, refused || err != nil
}

// wantVerdicts sends copies of the three events. The second is new at most once.
func wantVerdicts(t *testing.T, s *Store, after int, acked bool) {
	t.Helper()
	for n := int64(1); n <= 3; n++ {
		rc, err := s.Accept(bg, spool.Intake{Event: benchEvent(n), Routes: []spool.RouteWish{{Route: "b"}}})
		if err != nil || rc.Verdict != spool.Duplicate && (n != 2 || acked) {
			t.Errorf("short write %d: event %d is %v, %v", after, n, rc.Verdict, err)
		}
	}
}
