package sqlite

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// TestReplayOfOld: a dead letter that is older than retention can be made to
// wait again, and waits as long as a new one.
func TestReplayOfOld(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	s := mustOpen(t, t.TempDir(), Options{Now: func() time.Time { return time.Unix(0, now.Load()) }})
	r := accept(t, s, benchEvent(1), "a", true)
	if err := s.Settle(bg, spool.Settlement{Lease: r.Running[0].Lease, State: spool.Dead, Reason: "status 410"}); err != nil {
		t.Fatal(err)
	}
	wait := func(d time.Duration, waiting, dead int64) {
		t.Helper()
		now.Add(int64(d))
		if err := s.Sweep(bg); err != nil {
			t.Fatal(err)
		}
		states, err := s.Routes(bg)
		if err != nil || len(states) != 1 || states[0].Waiting != waiting || states[0].Dead != dead {
			t.Errorf("%+v, %v, want %d waiting, %d dead", states, err, waiting, dead)
		}
	}
	wait(100*time.Hour, 0, 1)
	if n, err := s.Redeliver(bg, r.Seq, spool.RouteWish{}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	wait(time.Hour, 1, 0)
	wait(spool.DefaultRetention, 0, 1)
	wait(29*24*time.Hour, 0, 1)
	wait(2*24*time.Hour, 0, 0)
}

// TestSweepReadsOnlyWhatIsOld: the search for what is older than retention ran
// over every event of the store each five seconds, while all accepts waited: with
// two million, for more than a second.
func TestSweepReadsOnlyWhatIsOld(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, t.TempDir(), Options{})
	for i := range int64(300) {
		accept(t, s, benchEvent(i), "a", false)
		if err := s.Quarantine(bg, spool.Odd{Event: benchEvent(1000 + i), Reason: "not JSON"}); err != nil {
			t.Fatal(err)
		}
	}
	err := s.submit(bg, false, 0, func(w *writer) error {
		for name, q := range map[string]*stmt{"events": w.q.oldEvents, "quarantine": w.q.oldOdd} {
			q.Status(sqlite3.STMTSTATUS_VM_STEP, true)
			if _, err := w.sweepStep(); err != nil {
				return err
			}
			if n := q.Status(sqlite3.STMTSTATUS_VM_STEP, false); n > 100 {
				t.Errorf("%s: %d steps to find that nothing is old", name, n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
