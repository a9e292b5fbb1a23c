package sqlite

import (
	"context"
	"fmt"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// step is a short step that needs the writing connection outside of any
// transaction. It is taken between two batches.
type step struct {
	ctx  context.Context
	run  func(*writer) error
	done chan error
}

// betweenBatches has the writer take a step between two batches. The steps of a caller
// whose ctx has ended are not begun any more, and one that runs is waited for.
func (s *Store) betweenBatches(ctx context.Context, run func(*writer) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	a := &step{ctx: ctx, run: run, done: make(chan error, 1)}
	select {
	case s.steps <- a:
		return <-a.done
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closeBegun:
		return spool.ErrClosed
	}
}

// runWaitingStep takes one step, if one waits.
func (w *writer) runWaitingStep() {
	select {
	case a := <-w.s.steps:
		w.runStep(a)
	default:
	}
}

func (w *writer) runStep(a *step) {
	defer func() {
		if p := recover(); p != nil {
			a.done <- fmt.Errorf("panic in a step between batches: %v", p)
		}
	}()
	if err := a.ctx.Err(); err != nil {
		a.done <- err
		return
	}
	if w.c == nil {
		a.done <- spool.ErrUnavailable
		return
	}
	a.done <- a.run(w)
}
