// Package audit follows the deliveries of one configuration: it counts them, keeps the
// audit log, and emits an event for what is rare and matters.
//
// Guarantee: each delivery that ends has one line in the audit log, after the store has
// taken its end, and each dead letter one event and one count. No line holds a body.
//
// Limits: what ends after a crash and before the line is in the store alone.
package audit

import (
	"context"
	"log/slog"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// Names of the events that the app emits through Caddy's event system. They are rare.
const (
	// EventRejected: many requests had no valid signature in a short time.
	EventRejected = "inbox_rejected"
	// EventRouteHeld and EventRouteResumed: a route's upstream was lost, and found.
	EventRouteHeld    = "inbox_route_held"
	EventRouteResumed = "inbox_route_resumed"
	// EventDeadLetter: a delivery was given up.
	EventDeadLetter = "inbox_dead_letter"
	// EventDiskLow: new events are refused, or soon will be.
	EventDiskLow = "inbox_disk_low"
)

// Observer implements deliver.Observer.
type Observer struct {
	log    *slog.Logger // The app's.
	audit  *slog.Logger // The app's audit log.
	emit   func(name string, data map[string]any)
	notify func(seq int64)                   // Of the store: a delivery of that event has ended.
	routes map[spool.RouteKey]*metrics.Route // Of the configuration; not changed once made.
}

// New returns an observer of the deliveries of those routes, which writes to the app's
// log and its audit log, and emits events. notify is called with the number of each event
// of which a delivery has ended.
func New(routes map[spool.RouteKey]bool, log, audit *slog.Logger, emit func(name string, data map[string]any), notify func(seq int64)) *Observer {
	o := &Observer{log: log, audit: audit, emit: emit, notify: notify, routes: make(map[spool.RouteKey]*metrics.Route)}
	for k := range routes {
		o.routes[k] = metrics.Process().Route(k)
	}
	return o
}

// Attempted implements deliver.Observer.
func (o *Observer) Attempted(k spool.RouteKey, d spool.Delivery, a spool.Attempt, state spool.State) {
	o.routes[k].Attempted(d, a, state) // Only what is configured is delivered.
	if state == spool.Retrying {
		return
	}
	o.ended(k, d, a, state)
	if state == spool.Dead {
		o.died(k, d)
	}
}

// died counts a dead letter and emits its event. Labels come from the configuration
// only, so one of a route that is parked is not counted.
func (o *Observer) died(k spool.RouteKey, d spool.Delivery) {
	if m := o.routes[k]; m != nil {
		m.Died()
	}
	o.emit(EventDeadLetter, map[string]any{"source": k.Source, "route": k.Route, "event_id": d.Event.ID, "event_type": d.Event.Type})
}

// Expired records a dead letter that retention has made: the log has the line
// of any other.
func (o *Observer) Expired(d spool.Delivery, reason string) {
	o.log.Warn("dead letter", "source", d.Route.Source, "route", d.Route.Route,
		"event_id", d.Event.ID, "delivery", d.Lease.Delivery, "attempts", d.Attempts, "reason", reason)
	o.ended(d.Route, d, spool.Attempt{N: d.Attempts}, spool.Dead)
	o.died(d.Route, d)
}

// ended writes one line about a delivery that has ended to the audit log.
func (o *Observer) ended(k spool.RouteKey, d spool.Delivery, a spool.Attempt, state spool.State) {
	o.notify(d.Event.Seq)
	if !o.audit.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	attrs := []slog.Attr{
		slog.String("source", k.Source), slog.String("route", k.Route),
		slog.String("event_id", d.Event.ID), slog.String("event_type", d.Event.Type),
		slog.String("state", state.String()), slog.Int("attempts", a.N), slog.Int("status", a.Status),
		slog.Duration("took", a.Took),
	}
	if d.Replay > 0 {
		attrs = append(attrs, slog.Int("replay", d.Replay))
	}
	o.audit.LogAttrs(context.Background(), slog.LevelInfo, "delivery ended", attrs...)
}

// Held implements deliver.Observer.
func (o *Observer) Held(k spool.RouteKey, h spool.Hold) {
	o.emit(EventRouteHeld, map[string]any{"source": k.Source, "route": k.Route, "reason": h.Reason, "by_hand": h.ByHand})
}

// Resumed implements deliver.Observer.
func (o *Observer) Resumed(k spool.RouteKey) {
	o.emit(EventRouteResumed, map[string]any{"source": k.Source, "route": k.Route})
}

// Slower implements deliver.Observer.
func (o *Observer) Slower(k spool.RouteKey) { o.routes[k].Slower() }

// Interface guards.
var _ deliver.Observer = (*Observer)(nil)
