package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// request is one piece of work for the writer. The caller fills it and hands it
// over in Store.pending; from then on it belongs to the holder of the writer's
// turn, until done has a value.
type request struct {
	// do changes the state within the batch's transaction. It may run once, or not
	// at all; what it leaves in its caller's variables counts only if err is nil.
	do func(*writer) error
	// durable asks that the batch be fsynced before it is answered.
	durable bool
	// size is about how many bytes do writes. It bounds batches.
	size int
	// err is the answer, set before done gets its value.
	err error
	// done has room for the one value that answers the request, so that the writer
	// never waits for a caller that has gone.
	done chan struct{}
}

// requests are those that no caller holds. One whose caller went away is not put
// back: the writer may still have it.
var requests = sync.Pool{New: func() any { return &request{done: make(chan struct{}, 1)} }}

// do has the writer run f in a transaction, and returns when that is committed:
// fsynced if durable. When ctx ends, do returns, but f may still run and its
// changes may be committed: a write cannot be taken back.
func (s *Store) do(ctx context.Context, durable bool, size int, f func(*writer) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.submit(ctx, durable, size, f)
}

// submit is do for a caller that has entered already.
//
// A durable request whose context cannot end may be served in this goroutine
// (runHere). Accept's context behind the gate is such a one. A caller that can
// leave must never run a batch: other callers' requests are in it.
func (s *Store) submit(ctx context.Context, durable bool, size int, f func(*writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := requests.Get().(*request)
	r.do, r.durable, r.size, r.err = f, durable, size, nil
	s.mu.Lock()
	if down := s.down; down != nil {
		s.mu.Unlock()
		return fmt.Errorf("%w: %w", spool.ErrUnavailable, down)
	}
	s.pending = append(s.pending, r)
	s.mu.Unlock()
	if !durable || ctx.Done() != nil || !s.w.runHere() {
		s.wakeWriter()
	}
	select {
	case <-r.done:
		err := r.err
		r.do = nil
		requests.Put(r)
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wakeWriter wakes the writer's own goroutine. A signal that is there already is
// enough: the writer takes all that waits.
func (s *Store) wakeWriter() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// refusal is an answer to one request alone, such as ErrFull or ErrLeaseLost: the
// batch goes on. Any other error that a request returns comes from the medium or
// from a mistake of ours. It ends the transaction for all, because it is not known
// how much of the request was done.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// refuse marks err as an answer to the request that returns it.
func refuse(err error) error { return refusal{err} }

// callerError returns what the caller of a request sees of its error: without the
// mark that refuse has put on it.
func callerError(err error) error {
	var r refusal
	if errors.As(err, &r) {
		return r.error
	}
	return err
}
