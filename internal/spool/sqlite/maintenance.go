package sqlite

import (
	"context"
	"fmt"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// aside is a short step that needs the writing connection outside of any
// transaction. It is taken between two batches.
type aside struct {
	ctx  context.Context
	step func(*writer) error
	done chan error
}

// beside has the writer take a step between two batches. The steps of a caller
// whose ctx has ended are not begun any more, and one that runs is waited for.
func (s *Store) beside(ctx context.Context, step func(*writer) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	a := &aside{ctx: ctx, step: step, done: make(chan error, 1)}
	select {
	case s.asides <- a:
		return <-a.done
	case <-ctx.Done():
		return ctx.Err()
	case <-s.leaving:
		return spool.ErrClosed
	}
}

// spare takes one step, if one waits.
func (w *writer) spare() {
	select {
	case a := <-w.s.asides:
		w.takeStep(a)
	default:
	}
}

func (w *writer) takeStep(a *aside) {
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
	a.done <- a.step(w)
}
