package sqlite

import (
	"context"
	"fmt"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// step is a short piece of work that needs the writing connection outside of any
// transaction: some pages of a backup, or a checkpoint. It is taken between two batches.
type step struct {
	// ctx is the caller's. A step whose ctx has ended is not begun.
	ctx context.Context
	// run does it, in the writer's turn.
	run func(*writer) error
	// done has room for the answer, so that the writer does not wait for the caller.
	done chan error
}

// betweenBatches has the writer take a step between two batches. A step that was handed
// over is waited for even when ctx ends: what it works on belongs to the caller.
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

// runWaitingStep takes one step, if one waits. Under load the writer is never idle, so
// a step gets its chance after each batch.
func (w *writer) runWaitingStep() {
	select {
	case a := <-w.s.steps:
		w.runStep(a)
	default:
	}
}

// runStep takes a step. A panic in it is its caller's error: no transaction is open that it
// could have left half done.
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
