package sqlite

import (
	"sync"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// view is what callers may read of sources and routes without asking the writer: the
// state after the last commit. The writer publishes, so it is never ahead of the file.
type view struct {
	// mu guards all fields. It is never held across I/O.
	mu sync.Mutex
	// sources are names by the number of a source.
	sources map[int64]string
	// routes are found by number; that of a merged one leads to the queue that took
	// it over.
	routes map[int64]*routeView
	// names lead to the same routes.
	names map[spool.RouteKey]*routeView
	// last is the largest number that a delivery can have.
	last int64
}

// sourceName returns the name of a source, or nothing.
func (v *view) sourceName(id int64) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sources[id]
}

// routeName returns the present name of a route, also of one that was merged.
func (v *view) routeName(id int64) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if rv := v.routes[id]; rv != nil {
		return rv.state.Key.Route
	}
	return ""
}

// routeView is one queue as callers see it, guarded by view.mu.
type routeView struct {
	id int64
	// known reports that next is exact and that nothing is due before it.
	known bool
	// next is when something is due or a lease ends, in nanoseconds, or never.
	next int64
	// queue counts what a Pick with IgnoreDue would take.
	queue int64
	state spool.RouteState
	// names are all that lead to the queue. Watchers get each of them.
	names []spool.RouteKey
}

// fill copies the state of a queue into its view, whose lock the caller holds. Fresh
// deliveries are due without a time of theirs, so next is known only without them.
func (rt *route) fill(v *routeView) {
	v.id = rt.id
	v.known = rt.fresh == 0 && rt.dueExact && rt.untilExact
	v.next = min(rt.due, rt.until)
	v.queue = rt.fresh + rt.later
	v.state.Key = rt.key
	v.state.Waiting, v.state.Running, v.state.Dead = rt.fresh+rt.later+rt.behind.total, int64(len(rt.leases)), rt.dead
	v.state.Hold = rt.hold
}

// publishOdd publishes how much is in quarantine.
func (w *writer) publishOdd() {
	w.s.count.oddBytes.Store(w.oddBytes)
	w.s.count.oddEntries.Store(w.oddEntries)
}

// publish publishes the queues that a batch has touched. One that was merged has no
// view of its own any more.
func (w *writer) publish() {
	v := &w.s.view
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = w.seq<<ordinalBits | maxOrdinal
	for rt := range w.touched {
		if rv := v.routes[rt.id]; rv != nil && w.routes[rt.id] == rt {
			rt.fill(rv)
		}
	}
}

// publishAll builds the view from nothing: after an opening, and when names or queues
// were made or merged.
func (w *writer) publishAll() {
	v := &w.s.view
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = w.seq<<ordinalBits | maxOrdinal
	v.sources = make(map[int64]string, len(w.sources))
	for _, src := range w.sources {
		v.sources[src.id] = src.name
	}
	v.routes = make(map[int64]*routeView, len(w.routes))
	v.names = make(map[spool.RouteKey]*routeView, len(w.names))
	for _, rt := range w.routes {
		if v.routes[rt.id] == nil {
			rv := &routeView{}
			rt.fill(rv)
			v.routes[rt.id] = rv
		}
	}
	for id, rt := range w.routes {
		v.routes[id] = v.routes[rt.id]
	}
	for n, rt := range w.names {
		k := spool.RouteKey{Source: rt.source.name, Route: n.name}
		rv := v.routes[rt.id]
		v.names[k] = rv
		rv.names = append(rv.names, k)
	}
}

// notifyWatchers wakes the watchers of what a batch has made due, under every name
// that leads there. It runs after the answers: what it calls takes locks of others.
func (w *writer) notifyWatchers() {
	for rt, told := range w.touched {
		if told {
			w.s.view.mu.Lock()
			var names []spool.RouteKey
			if rv := w.s.view.routes[rt.id]; rv != nil {
				names = rv.names
			}
			w.s.view.mu.Unlock()
			for _, k := range names {
				w.s.watch.Notify(k)
			}
		}
	}
	clear(w.touched)
}

// Watch implements spool.Store.
func (s *Store) Watch(f func(spool.RouteKey)) (stop func()) { return s.watch.Add(f) }
