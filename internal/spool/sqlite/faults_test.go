package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// eventually tries until f gives nil. It is bounded, not timed.
func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(bg, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// TestPanic: a panic of the writer is a failed commit and no deadlock.
func TestPanic(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, t.TempDir(), Options{})
	accept(t, s, benchEvent(1), "a", false)
	err := s.do(bg, true, 0, func(w *writer) error {
		if _, err := w.route(w.sources["inbox"], "half done"); err != nil {
			return err
		}
		panic("in the middle")
	})
	if !errors.Is(err, spool.ErrUnavailable) {
		t.Errorf("the request that panicked: %v", err)
	}
	eventually(t, "accept after a panic", func() error {
		_, err := s.Accept(bg, spool.Intake{Event: benchEvent(2)})
		return err
	})
	states, err := s.Routes(bg)
	if err != nil || len(states) != 1 || states[0].Waiting != 1 {
		t.Errorf("routes: %+v, %v", states, err)
	}
	if n := s.Stats().Failures; n != 1 {
		t.Errorf("%d failures, want 1", n)
	}
}

func TestFreeDisk(t *testing.T) {
	t.Parallel()
	var free atomic.Uint64
	free.Store(1 << 40)
	s := mustOpen(t, t.TempDir(), Options{freeDisk: func(string) (uint64, error) { return free.Load(), nil }})
	r := accept(t, s, benchEvent(1), "a", true)
	free.Store(DiskFloor - 1)
	eventually(t, "refusal", func() error {
		_, err := s.Accept(bg, spool.Intake{Event: benchEvent(time.Now().UnixNano())})
		if errors.Is(err, spool.ErrFull) {
			return nil
		}
		return errors.New("still accepting")
	})
	if err := s.Settle(bg, spool.Settlement{Lease: r.Running[0].Lease, State: spool.Delivered}); err != nil {
		t.Errorf("settling on a full disk: %v", err)
	}
	if rc, err := s.Accept(bg, spool.Intake{Event: benchEvent(1)}); err != nil || rc.Verdict != spool.Duplicate {
		t.Errorf("duplicate on a full disk: %v, %v", rc.Verdict, err)
	}
	free.Store(DiskFloor)
	eventually(t, "accept with room again", func() error {
		_, err := s.Accept(bg, spool.Intake{Event: benchEvent(3)})
		return err
	})
}

func TestDirectoryRemoved(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	s := mustOpen(t, dir, Options{})
	accept(t, s, benchEvent(1), "a", false)
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "refusal", func() error {
		_, err := s.Accept(bg, spool.Intake{Event: benchEvent(time.Now().UnixNano())})
		if errors.Is(err, spool.ErrUnavailable) {
			return nil
		}
		return errors.New("still accepting")
	})
	if err := os.Rename(dir+"2", dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "accept after the directory is back", func() error {
		_, err := s.Accept(bg, spool.Intake{Event: benchEvent(3)})
		return err
	})
	if rc, err := s.Accept(bg, spool.Intake{Event: benchEvent(1)}); err != nil || rc.Verdict != spool.Duplicate {
		t.Errorf("the first event is %v, %v", rc.Verdict, err)
	}
}

// TestLogStaysShort writes several times the cap from many goroutines.
func TestLogStaysShort(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, t.TempDir(), Options{})
	total := int64(3 * WALCap)
	if testing.Short() {
		total = WALCap
	}
	big := make([]byte, 60<<10)
	var n, largest atomic.Int64
	done := make(chan struct{})
	const workers = 32
	for range workers {
		go func() {
			defer func() { done <- struct{}{} }()
			for n.Load()*int64(len(big)) < total {
				e := benchEvent(n.Add(1))
				e.Request.Body = big
				if _, err := s.Accept(bg, spool.Intake{Event: e}); err != nil {
					t.Error(err)
					return
				}
				if fi, err := os.Stat(s.path + "-wal"); err == nil && fi.Size() > largest.Load() {
					largest.Store(fi.Size())
				}
			}
		}()
	}
	for range workers {
		<-done
	}
	t.Logf("%d MiB of bodies, log of at most %d MiB", n.Load()*int64(len(big))>>20, largest.Load()>>20)
	if largest.Load() > WALCap {
		t.Errorf("the log grew to %d MiB", largest.Load()>>20)
	}
}

// TestReopenKeepsLeases: a failed commit does not end the leases of the living.
func TestReopenKeepsLeases(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.boot = e.m.start(e.shm)
	s, err := Open(e.dir, Options{vfs: e.boot.name, index: e.boot.shm})
	if err != nil {
		t.Fatal(err)
	}
	e.st = s
	r := accept(t, s, benchEvent(1), "a", true)
	e.FailSyncs(0, 1)
	in := spool.Intake{Event: benchEvent(2), Routes: []spool.RouteWish{{Route: "b", Start: true}}, Owner: "o", LeaseFor: time.Hour}
	if _, err := s.Accept(bg, in); !errors.Is(err, spool.ErrUnavailable) {
		t.Fatalf("accept with a failing sync: %v", err)
	}
	eventually(t, "settle after the reopening", func() error {
		return s.Settle(bg, spool.Settlement{Lease: r.Running[0].Lease, State: spool.Delivered})
	})
	// The lease that the failed commit had begun is nobody's: it waits again.
	b, err := s.Lease(bg, spool.Pick{Owner: "o", Route: spool.RouteKey{Source: "inbox", Route: "b"}, N: 1, LeaseFor: time.Minute})
	if err != nil || len(b.Deliveries) != 1 || b.Deliveries[0].Attempts != 0 {
		t.Errorf("leased %+v, %v", b.Deliveries, err)
	}
}
