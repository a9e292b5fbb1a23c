package sqlite

import (
	"encoding/json"
	"math"
	"sort"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// States of a delivery as they are stored. A fresh one waits for its first attempt and
// needs no due time in an index, because due times rise with their numbers there.
const (
	fresh     = int64(spool.Available)
	running   = int64(spool.Running)
	retrying  = int64(spool.Retrying)
	delivered = int64(spool.Delivered)
	dead      = int64(spool.Dead)
	requeued  = int64(record.Requeued)
	discarded = int64(record.Discarded)
	behind    = int64(record.Behind)
)

// never is a time that does not come, in nanoseconds.
const never = math.MaxInt64

// source is a configured endpoint. It belongs to the writer.
type source struct {
	id   int64
	name string
	// watermark is the newest created_at, in nanoseconds, among the ids that were
	// forgotten: nothing up to it is taken as new. math.MinInt64 for none.
	watermark int64
	// newest is the newest created_at that was accepted, in nanoseconds, 0 for none.
	newest int64
	// unsaved reports that newest is not in meta yet. It may lag there: after a
	// crash a little more is taken as fresh.
	unsaved bool
}

// routeName is a name as it is looked up: names are unique in a source.
type routeName struct {
	source int64
	name   string
}

// route is one queue. It belongs to the writer. Counts are exact. The two times are
// lower bounds unless they are marked exact, so that most decisions need no query:
// what is not due by the bound is not due at all.
type route struct {
	id     int64
	source *source
	// key has the present name: a renamed route keeps its queue.
	key spool.RouteKey
	// hold is nil unless the route is held.
	hold *spool.Hold

	// fresh, later and dead count deliveries: those that wait for their first
	// attempt, those that wait for another one, and dead letters.
	fresh, later, dead int64
	// due is the earliest due time of the later ones, in nanoseconds, or never.
	due      int64
	dueExact bool
	// heads counts those of fresh and later that have a key, behind those that wait for
	// another one of their key and are in neither.
	heads, behind keyCount
	// runs counts the running deliveries of each key that has any.
	runs map[int64]int
	// passed are those of fresh that the end of another of their key has let go, by their
	// number, and when: at most maxPassed.
	passed map[int64]int64
	// parts are the numbers under which deliveries of it are stored: its own, and those
	// of queues that it has taken over until all of theirs have moved.
	parts []int64
	// leases are its running deliveries by number.
	leases map[int64]*lease
	// until is the earliest end of those leases, in nanoseconds, or never.
	until      int64
	untilExact bool
}

// newRoute returns an empty queue.
func newRoute(id int64, src *source, name string) *route {
	return &route{
		id: id, source: src, key: spool.RouteKey{Source: src.name, Route: name},
		due: never, dueExact: true, until: never, untilExact: true,
		leases: map[int64]*lease{}, runs: map[int64]int{}, passed: map[int64]int64{}, parts: []int64{id},
	}
}

// lease is a running delivery. It belongs to the writer. Times are in nanoseconds.
type lease struct {
	number int64
	// key orders the delivery, 0 for none.
	key int64
	// fence is what a settle must show. It is new with every lease.
	fence int64
	until int64
	route *route
	// due is when the delivery was due: given back, it keeps its place.
	due              int64
	attempts, replay int64
	// logged reports that its log holds attempts already. Else a settle need not
	// read it.
	logged bool
	// fresh reports that it goes back among the fresh ones when it is released.
	fresh bool
}

// grant counts a lease in: its delivery is running.
func (w *writer) grant(l *lease) {
	w.leases[l.number] = l
	l.route.leases[l.number] = l
	if l.key != 0 {
		l.route.runs[l.key]++
	}
	l.route.until = min(l.route.until, l.until)
	w.touch(l.route, false)
}

// end counts a lease out. The caller says what becomes of the delivery.
func (w *writer) end(l *lease) {
	delete(w.leases, l.number)
	rt := l.route
	delete(rt.leases, l.number)
	if l.key != 0 {
		if rt.runs[l.key]--; rt.runs[l.key] == 0 {
			delete(rt.runs, l.key)
		}
	}
	rt.untilExact = rt.untilExact && l.until > rt.until
	if len(rt.leases) == 0 {
		rt.until, rt.untilExact = never, true
	}
	w.touch(rt, false)
}

// countWaiting adds n to the count of a waiting state.
func (rt *route) countWaiting(state, n int64) {
	if state == fresh {
		rt.fresh += n
	} else {
		rt.later += n
	}
}

// queue counts a waiting delivery in, due at d. Watchers are notified after the
// commit.
func (w *writer) queue(rt *route, state, d, key int64) {
	rt.countWaiting(state, 1)
	if state != fresh {
		rt.due = min(rt.due, d)
	}
	if key != 0 {
		rt.heads.in(key)
	}
	w.touch(rt, true)
}

// unqueue counts a waiting delivery out, which was due at d. Where it was the
// earliest, due stays as a lower bound: the next one is not known without a query.
func (w *writer) unqueue(rt *route, state, d, key int64) {
	if rt.countWaiting(state, -1); state != fresh {
		rt.dueExact = rt.dueExact && d > rt.due
		if rt.later == 0 {
			rt.due, rt.dueExact = never, true
		}
	}
	if key != 0 {
		rt.heads.out(key)
	}
	w.touch(rt, false)
}

// touch has the queue published after the commit, and its watchers notified if
// something became due.
func (w *writer) touch(rt *route, tell bool) { w.touched[rt] = w.touched[rt] || tell }

// leaseEnd returns the earliest end of a lease, or never.
func (rt *route) leaseEnd() int64 {
	if !rt.untilExact {
		rt.until, rt.untilExact = never, true
		for _, l := range rt.leases {
			rt.until = min(rt.until, l.until)
		}
	}
	return rt.until
}

// laterDue returns the earliest due time of the later ones, or never.
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

// hasDue reports whether something of the route is to be leased before anything
// newer. A lease that has run out counts: its delivery will be taken over. What was just
// let go by the end of another of its key does not: the dispatcher, which was told, leases
// it in its turn beside what is born running, and else one such key would send all others
// through the store.
func (w *writer) hasDue(rt *route) (bool, error) {
	if rt.fresh > int64(len(rt.passed)) || rt.until <= w.now && rt.leaseEnd() <= w.now {
		return true, nil
	}
	for _, since := range rt.passed {
		if w.now-since > int64(passedFor) {
			return true, nil
		}
	}
	if rt.due > w.now {
		return false, nil
	}
	d, err := w.laterDue(rt)
	return d <= w.now, err
}

// next returns when something of the route is due next, or never.
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

// Tune implements spool.Store. The next batch goes by the new settings.
func (s *Store) Tune(set spool.Settings) {
	set = set.WithDefaults()
	s.settings.Store(&set)
}

// encodeHold returns a hold as the column of its route has it. No hold is "".
func encodeHold(h *spool.Hold) (string, error) {
	b, err := json.Marshal(h)
	return string(b), err
}

// decodeHold returns nil for a route that is not held.
func decodeHold(text string) (*spool.Hold, error) {
	if text == "" {
		return nil, nil
	}
	h := &spool.Hold{}
	return h, json.Unmarshal([]byte(text), h)
}

// sortStates sorts by source and name.
func sortStates(states []spool.RouteState) {
	sort.Slice(states, func(i, j int) bool {
		a, b := states[i].Key, states[j].Key
		return a.Source < b.Source || a.Source == b.Source && a.Route < b.Route
	})
}

// dur returns nanoseconds, the unit of all stored times.
func dur(d time.Duration) int64 { return int64(d) }
