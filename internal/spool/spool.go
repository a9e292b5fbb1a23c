// Package spool is the durable contract between the accept path, which must
// not answer before an event is safe, and the dispatcher, which brings it to
// its routes.
//
// It speaks of duties, not of storage. An engine that passes spooltest.Run may
// stand behind inboxgate; nothing above this package may know which one does.
//
// Guarantee: when Accept returns nil, the event, its id and one delivery a
// route are on stable storage, written by one atomic commit. Within the window
// an id is accepted once a source, across crashes, restarts and concurrent
// callers. A delivery ends in exactly one state, and only the holder of its
// current lease can say in which.
//
// Limits: a delivery whose process died in the middle of an attempt is tried
// again, so delivery is at least once. Settles may be lost by a power cut of
// the last second (never by a process crash), which repeats those attempts; for an
// engine that is a database server, by a crash of its machine or a failover.
package spool

import (
	"net/http"
	"time"
)

// DigestSize is the length in bytes of an event's digest, SHA-256 over the body.
const DigestSize = 32

// Limits of what is kept of one delivery's attempts.
const (
	// MaxAttempts is how many attempts are kept a delivery; the newest win.
	MaxAttempts = 20
	// MaxResponse is how many bytes of an attempt's response are kept.
	MaxResponse = 1 << 10
	// MaxConflicts is how many other bodies are kept for one known id.
	MaxConflicts = 8
	// MaxAhead is how far a created_at may lie in the future before the event
	// is quarantined.
	MaxAhead = 7 * 24 * time.Hour
)

// Digest identifies the bytes of a body.
type Digest [DigestSize]byte

// Event is one verified request of the platform. Its fields never change once
// accepted; Body and Header are shared and must not be written to.
type Event struct {
	// Seq is the number that the store gives, 0 before. It is unique, and rises in the
	// order of a process's commits; over members, a lower one may appear a little
	// later (Query.Settled).
	Seq int64
	// Source is the configured name of the endpoint that took the event.
	Source string
	// ID and Type are the platform's. Both are empty for an odd body.
	ID, Type string
	// CreatedAt is the signed created_at, zero where the body has none.
	CreatedAt time.Time
	// Received is when the request came. The zero value means now.
	Received time.Time
	// Digest is that of Request.Body.
	Digest  Digest
	Request Request
}

// Request is what an upstream needs to see the platform's request as it came.
type Request struct {
	Method, URI, Host, RemoteAddr, Scheme string
	// Header holds an allow-list of the request's headers, by canonical name.
	Header http.Header
	Body   []byte
}

// RouteKey names a route: route names are unique in a source.
type RouteKey struct {
	Source, Route string
}

// Verdict is what Accept found.
type Verdict uint8

const (
	// Accepted means that the event is new and now stored. With no routes it is
	// stored as unrouted.
	Accepted Verdict = iota + 1
	// Duplicate means that the id is known with the same digest. Nothing was written.
	Duplicate
	// Conflict means that the id is known with another digest. The body is in quarantine
	// (at most MaxConflicts an id; further ones are counted, not kept).
	Conflict
	// Stale means that the id is unknown, but created_at is older than the window or not
	// above the source's watermark, or more than MaxAhead in the future. The
	// body is in quarantine and the id stays unclaimed.
	Stale
)

// String returns the verdict in a word.
func (v Verdict) String() string {
	switch v {
	case Accepted:
		return "accepted"
	case Duplicate:
		return "duplicate"
	case Conflict:
		return "conflict"
	case Stale:
		return "stale"
	}
	return "unknown"
}

// Intake is one event to accept.
type Intake struct {
	Event *Event
	// Routes are the names of the source's routes that get a copy. None means
	// the event is stored as unrouted.
	Routes []RouteWish
	// Owner is the dispatcher under whose leases deliveries may be born
	// running, for LeaseFor. The empty Owner starts none.
	Owner    Owner
	LeaseFor time.Duration
	// DeliverStale accepts an event that is not fresh as if it were. An id
	// that is known stays a duplicate or a conflict.
	DeliverStale bool
	// Release is the quarantine entry that this intake lets go, 0 for none:
	// the entry leaves quarantine in the commit that accepts its event.
	Release int64
}

// RouteWish is one delivery to make.
type RouteWish struct {
	Route string
	// Start means that the owner has room to run the delivery at once. It is
	// born running only if its route is also not held and, as far as this process
	// knows, has nothing due in the store; else it queues behind, oldest first. With
	// a Key, nothing of its key may wait or run either. What the end of another of its
	// key has made due a moment ago need not count: else order would have most new
	// events of other keys go through the store.
	Start bool
	// Key is what orders the delivery: of one route, at most one delivery of a key is
	// handed out at a time, the lowest Seq first, and the next only once it is
	// Delivered, Dead or Discarded. Those behind it wait whatever becomes of it until
	// then: a Release, a retry hours ahead, a restart, a hold, another name of the
	// route. The commit that ends it makes the next one due at once. Empty is not
	// ordered. Engines keep its KeyHash.
	Key string
}

// Receipt is the answer to an Intake.
type Receipt struct {
	Verdict Verdict
	// Reason is why the verdict is Stale or Conflict, in a few public words.
	Reason string
	// Seq is the number of an accepted event. Of a Duplicate it may be that of the
	// event it is a copy of, or 0.
	Seq int64
	// Running holds those deliveries that were born running, in the order of
	// Intake.Routes. Their Event is Intake.Event as it was stored: with its
	// number and the time of its receipt.
	Running []Delivery
}

// Odd is a signed body that is no usable event: it claims no id.
type Odd struct {
	// Event has ID, Type and CreatedAt where they are beyond doubt. Source, Digest
	// and Request are required.
	Event *Event
	// Reason is a short constant in public words, such as "duplicate key".
	Reason string
}

// Owner is one dispatcher's name, unique in the life of a store.
type Owner string

// Lease is the right to run one delivery for a limited time.
type Lease struct {
	// Delivery is the number of the delivery.
	Delivery int64
	// Fence is unique in the life of the store, so that the settle of a lost lease is
	// refused. Fences are compared for equality alone.
	Fence int64
	// Until is the end, by the store's clock.
	Until time.Time
}

// Delivery is one event on its way to one route, leased.
type Delivery struct {
	Lease
	Route RouteKey
	Event *Event
	// Attempts is how many counted attempts lie behind it: 0 before the first.
	Attempts int
	// Replay is 0 for the first life of a delivery and n for its nth replay. On
	// a route that the event was first replayed to it begins with 1.
	Replay int
}

// Pick asks for deliveries to run.
type Pick struct {
	// Owner gets the leases, for LeaseFor.
	Owner    Owner
	LeaseFor time.Duration
	// Route is whose deliveries are asked for, N how many at most.
	Route RouteKey
	N     int
	// IgnoreDue takes waiting deliveries oldest event first, due or not: for
	// a route that is being probed or has just resumed. Without it, what is
	// due is taken, oldest due time first. Neither takes what waits behind
	// another delivery of its key.
	IgnoreDue bool
	// After, with IgnoreDue, begins behind the delivery of that number and wraps
	// round to the oldest when none follows, so that probes take turns.
	After int64
	// UpTo, with IgnoreDue, ends at the delivery of that number instead of wrapping
	// round, so that a pass over a backlog ends however many take part in it. 0 is no
	// end.
	UpTo int64
}

// Batch is what a Pick found.
type Batch struct {
	Deliveries []Delivery
	// Next is when the route's next waiting delivery becomes due (or a running
	// one's lease runs out), zero when nothing waits. It may be in the past if
	// more is due than was asked for.
	Next time.Time
}

// State is where a delivery stands. held and parked are no states of a
// delivery: a held or unconfigured route keeps its deliveries waiting.
type State uint8

const (
	// Available waits for its first attempt, or was given back.
	Available State = iota + 1
	// Running is leased to a dispatcher.
	Running
	// Retrying waits for its next attempt, after one that failed, was free or never
	// reported back.
	Retrying
	// Delivered ended well.
	Delivered
	// Dead is a dead letter.
	Dead
	// Discarded is a dead letter that an operator let go.
	Discarded
)

// String returns the state as the API and the commands name it.
func (s State) String() string {
	switch s {
	case Available:
		return "available"
	case Running:
		return "running"
	case Retrying:
		return "retrying"
	case Delivered:
		return "delivered"
	case Dead:
		return "dead"
	case Discarded:
		return "discarded"
	}
	return "unknown"
}

// Attempt is one try to hand a delivery to an upstream.
type Attempt struct {
	// N counts from 1 over the counted attempts of a delivery's present life.
	// A free attempt has the number of the counted one it stood in for.
	N int `json:"n"`
	// Replay is 0 in the first life of the delivery and n in its nth replay. The
	// store sets it.
	Replay int           `json:"replay,omitempty"`
	Start  time.Time     `json:"start"`
	Took   time.Duration `json:"took"`
	// Status is the upstream's answer, 0 where there was none.
	Status int `json:"status,omitempty"`
	// Error is what went wrong in words, empty after success.
	Error string `json:"error,omitempty"`
	// Response is the start of the answer's body, at most MaxResponse bytes.
	Response []byte `json:"response,omitempty"`
	// Free means that the attempt used none of the schedule.
	Free bool `json:"free,omitempty"`
}

// Settlement ends a lease.
type Settlement struct {
	Lease Lease
	// State is Delivered, Retrying or Dead.
	State State
	// Due is when to try again, for Retrying.
	Due time.Time
	// Reason is why the delivery is Dead.
	Reason string
	// Attempt is added to the delivery's log; it counts unless it is Free.
	Attempt Attempt
}

// Hold is the state of a route whose upstream cannot be reached, or that an
// operator holds. A held route's deliveries wait; none is born running.
type Hold struct {
	// Since is when the hold began, Reason why, in words for people.
	Since  time.Time
	Reason string
	// Probes is how many probes have failed since.
	Probes int
	// NextProbe is when the next is due.
	NextProbe time.Time
	// ByHand means that an operator holds the route, and that only one resumes it.
	ByHand bool
}

// MayChange reports whether a Hold or Resume by o, of a route whose hold is now, may
// make it next, as Store says. Either is nil for a route that is not held.
func (o Owner) MayChange(now, next *Hold) bool {
	switch {
	case o == "" || next != nil && next.ByHand:
		return true
	case now != nil && now.ByHand:
		return false
	case next == nil || next.Probes == 0:
		return true
	}
	return now != nil && now.Since.Equal(next.Since)
}

// RouteState is one route as the store knows it, configured or not.
type RouteState struct {
	Key RouteKey
	// Waiting counts the deliveries that are Available or Retrying, with those that wait
	// behind another one of their key, Running those that are leased, Dead the dead
	// letters.
	Waiting, Running, Dead int64
	// Oldest is when the oldest waiting event was received, zero for none.
	Oldest time.Time
	// Last is at least the number of each delivery that waits or runs; what is
	// accepted later has a larger one.
	Last int64
	// Hold is nil unless the route is held: by hand, or by every live member that
	// serves it.
	Hold *Hold
	// HeldHere is nil unless the route is held by hand, or by this process.
	HeldHere *Hold
	// Served counts the live members that serve the route. What waits for one that
	// none serves is parked.
	Served int
}

// RouteName is one configured route's name.
type RouteName struct {
	Name string
	// Was is the name whose deliveries this route takes over, empty for none.
	Was string
}
