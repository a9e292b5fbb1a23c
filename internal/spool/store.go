package spool

import (
	"context"
	"time"
)

// Store keeps events until every delivery has ended, and the log after that. It
// is what every engine must do, so that nothing above this package asks which
// engine it has; only what needs a file of the engine's own is apart, in Embedded.
//
// A store is open in one process, or, where the engine is Shared, in several: its
// members. What a call promises holds over all of them unless it says "this process".
//
// All methods may be called concurrently. None holds a lock across I/O that
// another needs. A context that ends only stops the waiting: a write that was
// handed over may still land. Returned errors wrap the Err values of this
// package where a caller could branch on them.
type Store interface {
	// Accept decides about an event and stores it, as Receipt says. It is
	// durable when it returns. Two concurrent calls with one id never both
	// answer Accepted. After an error the event may or may not be stored; the
	// next Accept of it, once the store works again, finds out.
	Accept(ctx context.Context, in Intake) (Receipt, error)
	// Quarantine keeps a signed body that is no usable event, durably, once a
	// source and digest. Known ones are only counted. It fails with ErrReleased for
	// a body that was released and is remembered.
	Quarantine(ctx context.Context, o Odd) error

	// Lease hands out waiting deliveries, durably marked as running: none of a route that
	// an operator holds.
	Lease(ctx context.Context, p Pick) (Batch, error)
	// Extend moves the ends of leases to d from now and returns those that
	// were lost. The returned leases' Until is zero.
	Extend(ctx context.Context, leases []Lease, d time.Duration) (lost []Lease, err error)
	// Settle ends a lease with an outcome, or fails with ErrLeaseLost. A crash of
	// this process after it returned does not undo it; a power cut within a
	// second, or a failover of a database, may.
	Settle(ctx context.Context, s Settlement) error
	// Release gives leases back without an attempt counted: the deliveries are
	// waiting again, due at once, in their old order. Lost leases are ignored.
	Release(ctx context.Context, leases []Lease) error
	// Watch calls f, which must not block, after each commit of this process that
	// makes deliveries of a route due, and after Resume and Hold; within a second
	// after those of other members. A caller that looks every few seconds as well
	// loses nothing by a call that does not come. stop ends the calls; it may be
	// called twice.
	Watch(f func(RouteKey)) (stop func())

	// Configure sets which routes of a source o serves, from now until it Leaves or
	// configures the source anew. Each name then has a queue of its own. Where Was names
	// a queue, the new name takes it over, and Was leads to the same queue (for the
	// handlers of a configuration that is being replaced, or returns) until a Configure
	// lists Was as a name again. Their keys become one, too: of a key that waits in
	// both, the oldest that is left goes first; those that run already go on.
	// Configure removes nothing: queues of absent names keep their deliveries.
	Configure(ctx context.Context, o Owner, source string, routes []RouteName) error
	// Leave notes that o serves nothing any more. It writes nothing that outlives the
	// process, and ends none of o's leases. Unknown owners are no error.
	Leave(ctx context.Context, o Owner) error
	// Hold marks a route as held, or replaces its Hold; durable when it returns. An
	// operator's, which is ByHand or of the empty Owner, always counts, and for all
	// members. A dispatcher's is of its process alone: another member may well reach
	// the app. A dispatcher's o fails with ErrHoldChanged, and changes nothing, where an
	// operator holds the route, or where h has failed Probes and the route is not
	// held Since then: that hold has ended, or is another.
	Hold(ctx context.Context, o Owner, k RouteKey, h Hold) error
	// Resume ends a hold; durable when it returns. Not held is no error. An
	// operator's, which is of the empty Owner, always counts, and ends the holds of
	// all members. A dispatcher's o ends that of its process; it fails with
	// ErrHoldChanged, and changes nothing, where an operator holds the route.
	Resume(ctx context.Context, o Owner, k RouteKey) error
	// HeldByHand returns the route's hold if an operator holds it, without I/O: from
	// before Hold returns until an operator's Resume, or Hold that is not ByHand. Of
	// another member's Hold it may lag by a second, in which Lease hands out nothing.
	// Callers may hold locks of theirs that the function given to Watch takes.
	HeldByHand(k RouteKey) (h Hold, ok bool)

	// Tune replaces the settings that the store was opened with.
	Tune(s Settings)
	// OnExpired calls f for each delivery that became a dead letter because it
	// waited longer than retention: no dispatcher settles those, so nothing else
	// reports them. The call comes after the commit, without a lock that calls of
	// the store take. Of d there are the number, the route under its present name,
	// Attempts, Replay, and the event's Seq, Source, ID and Type. A power cut may
	// have one made, and reported, twice. stop ends the calls.
	OnExpired(f func(d Delivery, reason string)) (stop func())

	Log
	Operator
	// Close ends the store: it waits for running calls; later ones get
	// ErrClosed. Leases that are still out count as attempts when they run out, or
	// at the next open where no other process can hold them, as after a crash: a
	// clean stop releases first. Closing twice is no error.
	Close() error
}

// Log is what can be read of a store. It stands alone because a store that no
// process uses can be read too.
type Log interface {
	// Routes lists every route that the store knows, by source and name.
	Routes(ctx context.Context) ([]RouteState, error)
	// Records reads the log, newest first, one page a call.
	Records(ctx context.Context, q Query) (Page, error)
}
