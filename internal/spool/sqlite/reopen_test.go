package sqlite

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// brokenStore is a store whose disk has failed for good, so that it reopens and
// reopens.
func brokenStore(t *testing.T) *Store {
	t.Helper()
	e := newEngine(t)
	e.boot = e.m.start(e.shm)
	s, err := Open(e.dir, Options{vfs: e.boot.name, index: e.boot.shm})
	if err != nil {
		t.Fatal(err)
	}
	e.st = s
	accept(t, s, benchEvent(1), "a", false)
	e.FailSyncs(0, 1<<30)
	if _, err := s.Accept(bg, spool.Intake{Event: benchEvent(2)}); !errors.Is(err, spool.ErrUnavailable) {
		t.Fatalf("accept with failing syncs: %v", err)
	}
	return s
}

// TestBrokenStoreAnswers: while a store cannot be reopened, each call is refused,
// and none waits until it can.
func TestBrokenStoreAnswers(t *testing.T) {
	t.Parallel()
	s := brokenStore(t)
	route := spool.RouteKey{Source: "inbox", Route: "a"}
	calls := map[string]func() error{
		"Accept":     func() error { _, err := s.Accept(bg, spool.Intake{Event: benchEvent(3)}); return err },
		"Quarantine": func() error { err := s.Quarantine(bg, spool.Odd{Event: benchEvent(4), Reason: "stale"}); return err },
		"Lease": func() error {
			_, err := s.Lease(bg, spool.Pick{Owner: "o", Route: route, N: 1, LeaseFor: time.Minute})
			return err
		},
		"Hold":       func() error { return s.Hold(bg, "", route, spool.Hold{Reason: "x"}) },
		"Resume":     func() error { return s.Resume(bg, "", route) },
		"Routes":     func() error { _, err := s.Routes(bg); return err },
		"Records":    func() error { _, err := s.Records(bg, spool.Query{}); return err },
		"Configure":  func() error { return s.Configure(bg, "", "inbox", []spool.RouteName{{Name: "a"}}) },
		"Sweep":      func() error { return s.Sweep(bg) },
		"Discard":    func() error { _, err := s.Discard(bg, 1, ""); return err },
		"DiscardOdd": func() error { return s.DiscardOdd(bg, 1) },
		"Compact":    func() error { _, err := s.Compact(bg, nil); return err },
		"beside":     func() error { return s.betweenBatches(bg, func(*writer) error { return nil }) },
		"Backup":     func() error { _, err := s.Backup(bg, "", nil); return err },
	}
	answers := make(chan string, len(calls))
	for name, call := range calls {
		go func() {
			// Some may be answered from memory, or look at the file first. A list
			// may still be read from the file until the writer gives it up.
			free := name == "Routes" || name == "Lease" || name == "Compact" || name == "Records"
			if err := call(); !free && !errors.Is(err, spool.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			answers <- name
		}()
	}
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	for range len(calls) {
		select {
		case name := <-answers:
			delete(calls, name)
		case <-late.C:
			t.Fatalf("no answer yet: %v", calls)
		}
	}
}

// TestBrokenStoreCloses: it ends, with a copy in the making and one that is read.
func TestBrokenStoreCloses(t *testing.T) {
	t.Parallel()
	s := brokenStore(t)
	ctx, cancel := context.WithTimeout(bg, 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Close() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Fatal("it does not end")
	}
}
