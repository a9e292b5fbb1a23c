package caddymodule

import (
	"log/slog"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/inboxgate/inboxgate/internal/audit"
)

// Events that the app emits through Caddy's event system. They are rare.
const (
	EventRejected     = audit.EventRejected
	EventRouteHeld    = audit.EventRouteHeld
	EventRouteResumed = audit.EventRouteResumed
	EventDeadLetter   = audit.EventDeadLetter
	EventDiskLow      = audit.EventDiskLow
)

// emitter hands events to Caddy in their order.
type emitter struct {
	ctx    caddy.Context // Of the configuration: it ends with it.
	events *caddyevents.App
	queue  *audit.Queue
}

func newEmitter(ctx caddy.Context, log *slog.Logger) (*emitter, error) {
	v, err := ctx.App("events")
	if err != nil {
		return nil, err
	}
	e := &emitter{ctx: ctx, events: v.(*caddyevents.App)}
	e.queue = audit.NewQueue(e.hand, log)
	return e, nil
}

// emit returns at once. What happens after a reload, at the end of an attempt
// perhaps, goes to the handlers of the configuration in force.
func (e *emitter) emit(name string, data map[string]any) {
	if e.ctx.Err() != nil {
		if app := activeApp(); app != nil && app.emitter != e {
			app.emit(name, data)
		}
		return
	}
	if e.events.ShouldEmit(name) {
		e.queue.Add(name, data)
	}
}

// hand gives an event to Caddy, which calls its handlers.
func (e *emitter) hand(name string, data map[string]any) {
	if e.ctx.Err() != nil {
		e.emit(name, data)
		return
	}
	e.events.Emit(e.ctx, name, data)
}

// activeApp returns the app of the configuration that is in force, nil if there is
// none or it has no store and no source.
func activeApp() *App {
	v, err := caddy.ActiveContext().AppIfConfigured(appID)
	if err != nil {
		return nil
	}
	return v.(*App)
}
