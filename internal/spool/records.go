package spool

import (
	"slices"
	"strings"
	"time"
)

// Query selects records. Zero fields select everything.
type Query struct {
	// Kind is which log to read. Default Events.
	Kind Kind
	// Source selects the events of one source.
	Source string
	// ID is the platform's event id, Type its type.
	ID, Type string
	// Types selects events of any of these types, where not empty. One that ends in *
	// stands for all that begin so.
	Types []string
	// Route selects events that have a delivery to it.
	Route string
	// State selects events that have a delivery in that state.
	State State
	// Waiting selects events that have a delivery which waits for its first or next
	// attempt: Available or Retrying. It excludes State.
	Waiting bool
	// Seq selects one event or entry by its number.
	Seq int64
	// Contains selects events whose body holds these bytes. It is for a search
	// that no index serves: each page looks at a few thousand bodies at most.
	Contains []byte
	// Match, where not nil, is asked last for each event; it must be quick.
	Match func(*Event) bool
	// Delivery, where not nil, selects events of which it holds for a delivery
	// that has the Route and State asked for; it must be quick.
	Delivery func(RouteKey, DeliveryRecord) bool
	// Unrouted selects events that no route wanted.
	Unrouted bool
	// Reason selects entries of quarantine whose reason begins so.
	Reason string
	// Settled leaves out events before which another may still appear, because its
	// commit is under way. Who follows the log by the largest number seen asks so, and
	// misses none. Where one process writes, no event is left out.
	Settled bool
	// Since and Until bound the time of receipt: Since <= t < Until.
	Since, Until time.Time
	// Cursor is a Page.Next, 0 for the first page.
	Cursor int64
	// Limit is the page's length at most. Default and maximum 1000.
	Limit int
}

// WantsType reports whether an event's type is as the query asks.
func (q *Query) WantsType(typ string) bool {
	if q.Type != "" && q.Type != typ {
		return false
	}
	return len(q.Types) == 0 || slices.ContainsFunc(q.Types, func(pattern string) bool {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			return strings.HasPrefix(typ, prefix)
		}
		return pattern == typ
	})
}

// OfDeliveries reports whether the query asks for something of an event's deliveries.
func (q *Query) OfDeliveries() bool {
	return q.Route != "" || q.State != 0 || q.Waiting || q.Delivery != nil
}

// Wants reports whether a delivery is as the query asks.
func (q *Query) Wants(k RouteKey, d DeliveryRecord) bool {
	return (q.Route == "" || q.Route == k.Route) && (q.State == 0 || q.State == d.State) &&
		(!q.Waiting || d.State == Available || d.State == Retrying) && (q.Delivery == nil || q.Delivery(k, d))
}

// Kind is a log.
type Kind uint8

const (
	// Events that were accepted, with their deliveries and attempts.
	Events Kind = iota
	// Quarantined entries.
	Quarantined
)

// ReasonConflict is why a body is in quarantine whose id is known with another.
const ReasonConflict = "known id with another body"

// Page is one page of records.
type Page struct {
	Records []Record
	// Next is the cursor of the next page, 0 after the last.
	Next int64
}

// Record is one event, or one quarantine entry (without Deliveries).
type Record struct {
	// Event's Seq is the number of the event, or of the quarantine entry.
	Event *Event
	// Deliveries are those of the event, one a route.
	Deliveries []DeliveryRecord
	// Reason is why an entry is in quarantine, or that what is stored of an event or
	// entry is damaged: Event then holds what could be read.
	Reason string
	// Copies counts how often the same odd body came.
	Copies int
}

// DeliveryRecord is one delivery and its log.
type DeliveryRecord struct {
	// Number is Lease.Delivery, and Route the route's present name.
	Number int64
	Route  string
	State  State
	// Attempts is how many attempts of its present life count; a replay begins with 0.
	// Log may have more: free ones, and those of earlier lives.
	Attempts int
	// Replay is that of Delivery.
	Replay int
	// Behind reports that it waits for an earlier delivery of its key to end. It is
	// then Available, and becomes due when that one ends.
	Behind bool
	// Due is when it is tried next, for Available and Retrying. It is zero for one that
	// is Behind.
	Due time.Time
	// Ended is when it was delivered or died.
	Ended time.Time
	// Reason is why it is dead.
	Reason string
	// Log has its attempts, oldest first, of which the newest MaxAttempts are kept.
	Log []Attempt
}
