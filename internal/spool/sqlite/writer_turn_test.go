package sqlite

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// A caller that may leave must be able to, however long its batch takes.
func TestCallerThatMayLeaveRunsNoBatch(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, t.TempDir(), Options{})
	ctx, cancel := context.WithCancel(bg)
	begun, gate, left := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		left <- s.submit(ctx, true, 0, func(*writer) error {
			close(begun)
			<-gate
			return nil
		})
	}()
	<-begun
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(gate)
}

// A batch that fails in a caller's goroutine is no different: the caller is
// told, and the store is reopened beside it.
func TestFailureOfACallersBatch(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, t.TempDir(), Options{})
	broken := errors.New("medium is broken")
	for round := range 3 {
		if err := s.submit(bg, true, 0, func(*writer) error { return broken }); !errors.Is(err, spool.ErrUnavailable) || !errors.Is(err, broken) {
			t.Fatalf("round %d: got %v", round, err)
		}
		for s.Stats().Unavailable != nil {
			runtime.Gosched()
		}
		if err := s.submit(bg, true, 0, func(*writer) error { return nil }); err != nil {
			t.Fatalf("round %d: after reopening: %v", round, err)
		}
	}
	if n := s.Stats().Failures; n != 3 {
		t.Errorf("reopened %d times", n)
	}
}
