package spool

import (
	"context"
	"time"
)

// Store keeps events until every delivery has ended, and the log after that.
//
// All methods may be called concurrently. None holds a lock across I/O that
// another needs. A context that ends only stops the waiting: a write that was
// handed over may still land. Returned errors wrap the Err values of this
// package where a caller could branch on them.
type Store interface {
	// Accept decides about an event and stores it, as Receipt tells. It is
	// durable when it returns. Two concurrent calls with one id never both
	// answer Accepted. After an error the event may or may not be stored; the
	// next Accept of it, once the store works again, tells.
	Accept(ctx context.Context, in Intake) (Receipt, error)
	// Quarantine keeps a signed body that is no usable event, durably, once a
	// source and digest. Known ones are only counted. It fails with ErrReleased for
	// a body that was released and is remembered.
	Quarantine(ctx context.Context, o Odd) error

	// Lease hands out waiting deliveries, durably marked as running.
	Lease(ctx context.Context, p Pick) (Batch, error)
	// Extend moves the ends of leases to d from now and returns those that
	// were lost. The returned leases' Until is zero.
	Extend(ctx context.Context, leases []Lease, d time.Duration) (lost []Lease, err error)
	// Settle ends a lease with an outcome, or fails with ErrLeaseLost. A
	// process crash after it returned does not undo it; a power cut within a
	// second may.
	Settle(ctx context.Context, s Settlement) error
	// Release gives leases back without an attempt counted: the deliveries are
	// waiting again, due at once, in their old order. Lost leases are ignored.
	Release(ctx context.Context, leases []Lease) error

	// Configure says which routes a source has. Each name then has a queue of
	// its own. Where Was names a queue, the new name takes it over, and Was
	// leads to the same queue (for the handlers of a configuration that is being
	// replaced, or returns) until a Configure lists Was as a name again.
	// Configure removes nothing: queues of absent names keep their deliveries.
	Configure(ctx context.Context, source string, routes []RouteName) error
	// Hold marks a route as held, or replaces its Hold; durable when it returns.
	Hold(ctx context.Context, k RouteKey, h Hold) error
	// Resume ends a hold; durable when it returns. Not held is no error.
	Resume(ctx context.Context, k RouteKey) error

	// Redeliver makes finished deliveries (Delivered, Dead, Discarded) of an event wait
	// again as their next replay, with a fresh budget; durable when it returns.
	// An empty route means every route that the event has a delivery for; a
	// route the event had none for gets one, which is its first replay: the
	// platform did not ask for it. It returns how many now wait.
	// Deliveries that are not finished are left alone and not counted.
	Redeliver(ctx context.Context, seq int64, route string) (int, error)
	Log
	// Close ends the store: it waits for running calls; later ones get
	// ErrClosed. Leases that are still out count as attempts at the next open,
	// as after a crash: a clean stop releases first. Closing twice is no error.
	Close() error
}

// Log is what can be read of a store.
type Log interface {
	// Routes lists every route that the store knows, by source and name.
	Routes(ctx context.Context) ([]RouteState, error)
	// Records reads the log, newest first, one page a call.
	Records(ctx context.Context, q Query) (Page, error)
}

// Watcher is implemented by engines that can tell at once when a route has
// something to lease. Others are polled once a second.
type Watcher interface {
	// Watch calls f, which must not block, after each commit that makes
	// deliveries of a route due, and after Resume and Hold. stop ends that.
	Watch(f func(RouteKey)) (stop func())
}

// Holder is implemented by engines that know at once, without I/O, which routes
// an operator holds. Of others that is read from Routes, which may be late.
type Holder interface {
	// HeldByHand returns the route's hold if it is by hand: from before Hold
	// returns until Resume or another Hold. Callers may hold locks of theirs
	// that the function given to Watch takes.
	HeldByHand(k RouteKey) (h Hold, ok bool)
}
