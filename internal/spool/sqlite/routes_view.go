package sqlite

import (
	"sync"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// view is what callers may read of the routes without asking the writer: the
// state after the last commit.
type view struct {
	mu      sync.Mutex
	sources map[int64]string
	routes  map[int64]*routeView // merged ones lead to their heir
	names   map[spool.RouteKey]*routeView
}

func (v *view) sourceName(id int64) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sources[id]
}

func (v *view) routeName(id int64) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if rv := v.routes[id]; rv != nil {
		return rv.state.Key.Route
	}
	return ""
}

type routeView struct {
	id    int64
	known bool // next is exact and nothing is due before
	next  int64
	queue int64 // deliveries that IgnoreDue would take
	state spool.RouteState
	names []spool.RouteKey
}

func (rt *route) fill(v *routeView) {
	v.id = rt.id
	v.known = rt.fresh == 0 && rt.dueExact && rt.untilExact
	v.next = min(rt.due, rt.until)
	v.queue = rt.fresh + rt.later
	v.state.Key = rt.key
	v.state.Waiting, v.state.Running, v.state.Dead = rt.fresh+rt.later, int64(len(rt.leases)), rt.dead
	v.state.Hold = rt.hold
}

// publishOdd shows what is in quarantine.
func (w *writer) publishOdd() {
	w.s.count.oddBytes.Store(w.oddBytes)
	w.s.count.oddEntries.Store(w.oddEntries)
}

// publish shows what a batch has touched.
func (w *writer) publish() {
	v := &w.s.view
	v.mu.Lock()
	defer v.mu.Unlock()
	for rt := range w.touched {
		if rv := v.routes[rt.id]; rv != nil && w.routes[rt.id] == rt {
			rt.fill(rv)
		}
	}
}

// publishAll shows the routes themselves anew: after opening, and where names
// have changed.
func (w *writer) publishAll() {
	v := &w.s.view
	v.mu.Lock()
	defer v.mu.Unlock()
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

// tell wakes the watchers of what a batch has made due.
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
				w.s.watch.notify(k)
			}
		}
	}
	clear(w.touched)
}

// watchers are called after commits.
type watchers[T any] struct {
	mu   sync.Mutex
	last int
	fs   map[int]func(T)
}

// Watch implements spool.Store.
func (s *Store) Watch(f func(spool.RouteKey)) (stop func()) { return s.watch.add(f) }

func (t *watchers[T]) add(f func(T)) (stop func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fs == nil {
		t.fs = map[int]func(T){}
	}
	t.last++
	n := t.last
	t.fs[n] = f
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.fs, n)
	}
}

func (t *watchers[T]) notify(v T) {
	t.mu.Lock()
	fs := make([]func(T), 0, len(t.fs))
	for _, f := range t.fs {
		fs = append(fs, f)
	}
	t.mu.Unlock()
	for _, f := range fs {
		f(v)
	}
}
