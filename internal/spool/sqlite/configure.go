package sqlite

import (
	"context"
	"math"
	"slices"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// source returns the source of that name, and makes it if there is none.
func (w *writer) source(name string) (*source, error) {
	if src := w.sources[name]; src != nil {
		return src, nil
	}
	id := int64(1)
	for _, src := range w.sources {
		id = max(id, src.id+1)
	}
	src := &source{id: id, name: name, watermark: math.MinInt64}
	w.sources[name] = src
	w.namesChanged = true
	return src, w.q.source.int(id).text(name).int(src.watermark).exec()
}

// route returns the queue that a name leads to, and makes one if there is none.
func (w *writer) route(src *source, name string) (*route, error) {
	if rt := w.names[routeName{src.id, name}]; rt != nil {
		return rt, nil
	}
	return w.newRoute(src, name)
}

// newRoute makes a queue and has the name lead to it.
func (w *writer) newRoute(src *source, name string) (*route, error) {
	id := int64(1)
	for n := range w.routes {
		id = max(id, n+1)
	}
	rt := newRoute(id, src, name)
	w.routes[id] = rt
	if err := w.q.newRoute.int(id).int(src.id).text(name).exec(); err != nil {
		return nil, err
	}
	return rt, w.setName(src, name, rt)
}

// setName makes a name lead to a queue.
func (w *writer) setName(src *source, name string, rt *route) error {
	w.names[routeName{src.id, name}] = rt
	w.namesChanged = true
	return w.q.name.int(src.id).text(name).int(rt.id).exec()
}

// Configure implements spool.Store. Where both names have a queue already, the
// old one's deliveries move in steps of moveStep, so that other calls go on between
// them: a backlog of a million rows would stop all accepts for seconds. A stop
// between the steps costs nothing, since the next opening ends the moves.
func (s *Store) Configure(ctx context.Context, o spool.Owner, name string, routes []spool.RouteName) error {
	err := s.do(ctx, true, 0, func(w *writer) error {
		src, err := w.source(name)
		if err != nil {
			return err
		}
		return w.configure(src, routes)
	})
	for more := true; more && err == nil; {
		err = s.do(ctx, true, 0, func(w *writer) (err error) {
			more, err = w.moveSome()
			return err
		})
	}
	if err == nil {
		s.served.set(o, name, slices.Clone(routes))
	}
	return err
}

// configure applies the list of a source's routes. Former names are served first: a
// queue that is taken over must not be taken for the new one of its name.
func (w *writer) configure(src *source, routes []spool.RouteName) error {
	listed := make(map[string]bool, len(routes))
	for _, r := range routes {
		listed[r.Name] = true
	}
	for _, r := range routes {
		old := w.names[routeName{src.id, r.Was}]
		if r.Was == "" || r.Was == r.Name || old == nil {
			continue
		}
		if err := w.takeOver(src, r, old, listed); err != nil {
			return err
		}
	}
	for _, r := range routes {
		// A former name that is listed again has a queue of its own again.
		if rt := w.names[routeName{src.id, r.Name}]; rt == nil || rt.key.Route != r.Name {
			if _, err := w.newRoute(src, r.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeOver gives the queue of a former name to its new name. A former name that
// is itself listed keeps what it has gathered since the first time, so that the
// same configuration may be given twice.
func (w *writer) takeOver(src *source, r spool.RouteName, old *route, listed map[string]bool) error {
	mine := w.names[routeName{src.id, r.Name}]
	own := mine != nil && mine.key.Route == r.Name
	if mine == old && own || listed[old.key.Route] && (own || old.key.Route != r.Was) {
		return nil
	}
	if !own {
		old.key.Route = r.Name
		if err := w.q.setRoute.int(old.id).text(r.Name).int(0).exec(); err != nil {
			return err
		}
		return w.setName(src, r.Name, old)
	}
	return w.merge(src, old, mine)
}

// merge has mine take over old: every name of old leads to mine from now on, and so
// does its number. Its waiting deliveries follow in steps.
func (w *writer) merge(src *source, old, mine *route) error {
	if err := w.q.setRoute.int(old.id).text(old.key.Route).int(mine.id).exec(); err != nil {
		return err
	}
	for n, rt := range w.names {
		if rt == old {
			if err := w.setName(src, n.name, mine); err != nil {
				return err
			}
		}
	}
	for id, rt := range w.routes {
		if rt == old {
			w.routes[id] = mine
		}
	}
	for _, l := range old.leases {
		// Running deliveries move at once: a settle must find its lease in the new
		// queue. There are few of them.
		w.end(l)
		l.route = mine
		w.grant(l)
		if err := w.q.reroute.int(l.number).int(mine.id).exec(); err != nil {
			return err
		}
	}
	mine.joinKeys(old)
	w.moving = append(w.moving, move{from: old, to: mine})
	return nil
}

// move is a merged queue, from, whose deliveries are on their way to another.
type move struct{ from, to *route }

// moveStep is how many deliveries move in one batch.
const moveStep = 500

// moveSome moves some deliveries of merged queues, and reports whether there are
// more. It goes from index to index: what has ended well is in none and stays with
// the old number, which leads to the new queue.
func (w *writer) moveSome() (bool, error) {
	if len(w.moving) == 0 {
		return false, nil
	}
	m := w.moving[0]
	if more, err := w.moveHeads(m); more || err != nil {
		return more, err
	}
	moved := int64(0)
	for _, set := range []struct {
		index, where string
	}{{"fresh", "state=1"}, {"later", "state IN (3, 6)"}, {"waits", "state=8"}, {"dead", "state=5"}} {
		st := w.c.prepare(`UPDATE deliveries SET route=?2 WHERE number IN (SELECT number FROM deliveries
			INDEXED BY ` + set.index + ` WHERE route=?1 AND ` + set.where + ` LIMIT 500)`)
		if w.c.err != nil {
			return false, w.c.err
		}
		err := st.int(m.from.id).int(m.to.id).exec()
		n := w.c.Changes()
		if err := st.Close(); err != nil {
			return false, err
		}
		if err != nil {
			return false, err
		}
		w.countMoved(m, set.index, n)
		if moved += n; moved >= moveStep {
			return true, nil
		}
	}
	if moved > 0 {
		return true, nil
	}
	w.moving = w.moving[1:]
	to := w.routes[m.to.id]
	to.parts = slices.DeleteFunc(to.parts, func(id int64) bool { return id == m.from.id })
	return len(w.moving) > 0, nil
}

// countMoved counts n deliveries of an index out of the one queue and into the other.
// The due time of the old queue bounds that of the new one.
func (w *writer) countMoved(m move, index string, n int64) {
	switch index {
	case "fresh":
		m.from.fresh -= n
		m.to.fresh += n
	case "later":
		m.from.later -= n
		m.to.later += n
		m.to.due, m.to.dueExact = min(m.to.due, m.from.due), false
	case "dead":
		m.from.dead -= n
		m.to.dead += n
	}
	w.touch(m.to, true)
}

// Hold implements spool.Store.
func (s *Store) Hold(ctx context.Context, o spool.Owner, k spool.RouteKey, h spool.Hold) error {
	return s.setHold(ctx, o, k, &h)
}

// Resume implements spool.Store.
func (s *Store) Resume(ctx context.Context, o spool.Owner, k spool.RouteKey) error {
	return s.setHold(ctx, o, k, nil)
}

// setHold replaces the hold of a route, nil for none. It may name a route that has no
// queue yet: an operator may hold it before its first event.
func (s *Store) setHold(ctx context.Context, o spool.Owner, k spool.RouteKey, h *spool.Hold) error {
	text := ""
	if h != nil {
		var err error
		if text, err = encodeHold(h); err != nil {
			return err
		}
	}
	return s.do(ctx, true, 0, func(w *writer) error {
		src, err := w.source(k.Source)
		if err != nil {
			return err
		}
		rt, err := w.route(src, k.Route)
		if err != nil {
			return err
		}
		if !o.MayChange(rt.hold, h) {
			return refuse(spool.ErrHoldChanged)
		}
		rt.hold = h
		w.touch(rt, true)
		return w.q.hold.int(rt.id).text(text).exec()
	})
}
