package sqlite

import (
	"encoding/json"
	"math"
	"sort"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// States as stored. Those of package spool, and again: available like fresh,
// but queued by its due time because it has lived before (a replay, or given
// back after a retry). Fresh ones need no due time in an index: it rises with
// their number.
const (
	fresh     = int64(spool.Available)
	running   = int64(spool.Running)
	retrying  = int64(spool.Retrying)
	delivered = int64(spool.Delivered)
	dead      = int64(spool.Dead)
	requeued  = int64(6)
	discarded = int64(7)
)

func publicState(state int64) spool.State {
	switch state {
	case requeued:
		return spool.Available
	case discarded:
		return spool.Discarded
	}
	return spool.State(state)
}

const never = math.MaxInt64

type source struct {
	id        int64
	name      string
	watermark int64
	newest    int64 // created_at that was accepted, 0 for none
	unsaved   bool  // newest is not in meta yet
}

type routeName struct {
	source int64
	name   string
}

// route is one queue. Counts are exact; the two times are lower bounds unless
// marked exact, so that most decisions need no query.
type route struct {
	id     int64
	source *source
	key    spool.RouteKey
	hold   *spool.Hold

	fresh, later, dead int64
	due                int64 // the earliest due time of later ones
	dueExact           bool
	leases             map[int64]*lease
	until              int64 // the earliest end of a lease
	untilExact         bool
}

func newRoute(id int64, src *source, name string) *route {
	return &route{
		id: id, source: src, key: spool.RouteKey{Source: src.name, Route: name},
		due: never, dueExact: true, until: never, untilExact: true,
		leases: map[int64]*lease{},
	}
}

// lease is a running delivery.
type lease struct {
	number, fence, until int64
	route                *route
	due                  int64
	attempts, replay     int64
	logged               bool // its log is not empty
	fresh                bool // it goes back among the fresh ones
}

func (w *writer) grant(l *lease) {
	w.leases[l.number] = l
	l.route.leases[l.number] = l
	l.route.until = min(l.route.until, l.until)
	w.touch(l.route, false)
}

func (w *writer) end(l *lease) {
	delete(w.leases, l.number)
	rt := l.route
	delete(rt.leases, l.number)
	rt.untilExact = rt.untilExact && l.until > rt.until
	if len(rt.leases) == 0 {
		rt.until, rt.untilExact = never, true
	}
	w.touch(rt, false)
}

// queue counts a delivery in, due at d.
func (w *writer) queue(rt *route, state, d int64) {
	if state == fresh {
		rt.fresh++
	} else {
		rt.later++
		rt.due = min(rt.due, d)
	}
	w.touch(rt, true)
}

// unqueue counts a delivery out.
func (w *writer) unqueue(rt *route, state, d int64) {
	if state == fresh {
		rt.fresh--
	} else {
		rt.later--
		rt.dueExact = rt.dueExact && d > rt.due
		if rt.later == 0 {
			rt.due, rt.dueExact = never, true
		}
	}
	w.touch(rt, false)
}

func (w *writer) touch(rt *route, tell bool) { w.touched[rt] = w.touched[rt] || tell }

// leaseEnd makes rt.until exact.
func (rt *route) leaseEnd() int64 {
	if !rt.untilExact {
		rt.until, rt.untilExact = never, true
		for _, l := range rt.leases {
			rt.until = min(rt.until, l.until)
		}
	}
	return rt.until
}

// laterDue makes rt.due exact.
func (w *writer) laterDue(rt *route) (int64, error) {
	if rt.dueExact {
		return rt.due, nil
	}
	rt.due = never
	if q := w.q.firstLater.int(rt.id); q.next() {
		rt.due = q.ColumnInt64(0)
	}
	rt.dueExact = true
	return rt.due, w.q.firstLater.end()
}

// hasDue: something of the route is to be leased before anything newer.
func (w *writer) hasDue(rt *route) (bool, error) {
	if rt.fresh > 0 || rt.until <= w.now && rt.leaseEnd() <= w.now {
		return true, nil
	}
	if rt.due > w.now {
		return false, nil
	}
	d, err := w.laterDue(rt)
	return d <= w.now, err
}

// next is when something of the route is due next, never for nothing.
func (w *writer) next(rt *route) (int64, error) {
	n := rt.leaseEnd()
	d, err := w.laterDue(rt)
	n = min(n, d)
	if rt.fresh > 0 && err == nil {
		if w.q.firstFresh.int(rt.id).next() {
			n = min(n, w.q.firstFresh.ColumnInt64(0))
		}
		err = w.q.firstFresh.end()
	}
	return n, err
}

// Tune implements spool.Store.
func (s *Store) Tune(set spool.Settings) {
	set = set.WithDefaults()
	s.settings.Store(&set)
}

func encodeHold(h *spool.Hold) (string, error) {
	b, err := json.Marshal(h)
	return string(b), err
}

func decodeHold(text string) (*spool.Hold, error) {
	if text == "" {
		return nil, nil
	}
	h := &spool.Hold{}
	return h, json.Unmarshal([]byte(text), h)
}

func sortStates(states []spool.RouteState) {
	sort.Slice(states, func(i, j int) bool {
		a, b := states[i].Key, states[j].Key
		return a.Source < b.Source || a.Source == b.Source && a.Route < b.Route
	})
}

func dur(d time.Duration) int64 { return int64(d) }
