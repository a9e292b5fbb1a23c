package caddymodule

import (
	"log/slog"
	"sync"

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

// emitter hands events to Caddy in their order. Handlers may take their time,
// so it does that beside the caller, and what waits is bounded.
type emitter struct {
	ctx    caddy.Context // Of the configuration: it ends with it.
	events *caddyevents.App
	log    *slog.Logger

	mu      sync.Mutex // Guards all that follows.
	waiting []emission // Oldest first, maxEmissions at most.
	busy    bool       // work runs.
	dropped int        // Since work was last done.
}

type emission struct {
	name string
	data map[string]any
}

// maxEmissions bounds what waits for slow handlers.
const maxEmissions = 256

func newEmitter(ctx caddy.Context, log *slog.Logger) (*emitter, error) {
	v, err := ctx.App("events")
	if err != nil {
		return nil, err
	}
	return &emitter{ctx: ctx, events: v.(*caddyevents.App), log: log}, nil
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
	if !e.events.ShouldEmit(name) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) >= maxEmissions {
		e.dropped++
		return
	}
	e.waiting = append(e.waiting, emission{name, data})
	if !e.busy {
		e.busy = true
		go e.work()
	}
}

// work ends when nothing waits.
func (e *emitter) work() {
	for {
		e.mu.Lock()
		if len(e.waiting) == 0 {
			n := e.dropped
			e.busy, e.dropped = false, 0
			e.mu.Unlock()
			if n > 0 {
				e.log.Warn("Caddy events were dropped: their handlers are too slow", "dropped", n)
			}
			return
		}
		next := e.waiting[0]
		e.waiting = e.waiting[1:]
		e.mu.Unlock()
		if e.ctx.Err() != nil {
			e.emit(next.name, next.data)
			continue
		}
		e.events.Emit(e.ctx, next.name, next.data)
	}
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
