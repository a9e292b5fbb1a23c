package sqlite

import (
	"slices"
	"time"
)

const (
	// passedFor is how long a delivery that was let go may wait before nothing new is
	// born running in front of it.
	passedFor = 500 * time.Millisecond
	// maxPassed is how many such deliveries a queue remembers.
	maxPassed = 64
)

// Of a key, the deliveries that neither have ended nor are behind hold its place: one of a
// queue, or more only where two queues were joined while one of each ran. Those that run
// are in memory (route.runs), those that wait in the index heads, and what is behind them
// in the index behind. A queue without keys has none of it.

// keyTaken reports whether a delivery holds the place of a key.
func (w *writer) keyTaken(rt *route, key int64) (bool, error) {
	if key == 0 || rt.runs[key] > 0 {
		return key != 0, nil
	}
	if waits, sure := rt.heads.has(key); sure {
		return waits, nil
	}
	for _, id := range rt.parts {
		number, err := w.number(w.q.headOf.int(id).int(key))
		if number != 0 || err != nil {
			return number != 0, err
		}
	}
	return false, nil
}

// number returns the number that a statement finds, 0 for none.
func (w *writer) number(q *stmt) (n int64, err error) {
	if q.next() {
		n = q.ColumnInt64(0)
	}
	return n, q.end()
}

// promote has the next of a key take the place of a delivery that has ended, in the same
// commit. Where nothing of the key is behind it mostly costs nothing.
func (w *writer) promote(rt *route, key int64) error {
	if key == 0 {
		return nil
	}
	if waits, _ := rt.behind.has(key); !waits {
		return nil
	}
	if taken, err := w.keyTaken(rt, key); taken || err != nil {
		return err
	}
	next := int64(0)
	for _, id := range rt.parts {
		number, err := w.number(w.q.nextOf.int(id).int(key))
		if err != nil {
			return err
		}
		if number != 0 && (next == 0 || number < next) {
			next = number
		}
	}
	if next == 0 {
		return nil
	}
	return w.letGo(rt, next, key)
}

// letGo has a delivery that was behind wait in its queue. One that has lived before goes
// among those by due time; it is due at once.
func (w *writer) letGo(rt *route, number, key int64) error {
	state, due := fresh, w.now
	q := w.q.one.int(number)
	if q.next() {
		due = min(due, q.ColumnInt64(0))
		if q.ColumnInt64(1) > 0 || q.ColumnInt64(2) > 0 || q.ColumnInt64(3) > 0 {
			state = requeued
		}
	}
	if err := q.end(); err != nil {
		return err
	}
	rt.behind.out(key)
	if state == fresh && len(rt.passed) < maxPassed {
		rt.passed[number] = w.now
	}
	w.queue(rt, state, due, key)
	return w.q.letGo.int(number).int(state).int(due).int(rt.id).exec()
}

// await returns the state in which a delivery waits that would have the given one: behind,
// where another one holds the place of its key. It counts it in.
func (w *writer) await(rt *route, state, due, key int64) (int64, error) {
	taken, err := w.keyTaken(rt, key)
	if err != nil {
		return 0, err
	}
	if !taken {
		w.queue(rt, state, due, key)
		return state, nil
	}
	rt.behind.in(key)
	w.touch(rt, false)
	return behind, nil
}

// joinKeys gives rt what it needs to know of a queue that it takes over: what is behind
// another there waits for the deliveries of both.
func (rt *route) joinKeys(old *route) {
	rt.heads.add(old.heads.total)
	rt.behind.add(old.behind.total)
	old.heads, old.behind = keyCount{}, keyCount{}
	for _, id := range old.parts {
		if !slices.Contains(rt.parts, id) {
			rt.parts = append(rt.parts, id)
		}
	}
}

// head is a delivery that holds the place of its key, and waits.
type head struct{ number, key, state, due int64 }

// moveHeads moves some of those of a merged queue that hold the place of their key, and
// reports whether there were any. Where both queues have such a one, the place is what
// runs' or else the older one's, and the other goes behind it.
func (w *writer) moveHeads(m move) (bool, error) {
	var found []head
	q := w.q.headsOf.int(m.from.id).int(moveStep)
	err := q.each(func() error {
		found = append(found, head{q.ColumnInt64(0), q.ColumnInt64(1), q.ColumnInt64(2), q.ColumnInt64(3)})
		return nil
	})
	if err != nil {
		return false, err
	}
	to := w.routes[m.to.id]
	for _, h := range found {
		if err := w.moveHead(m.from, to, h); err != nil {
			return false, err
		}
	}
	return len(found) > 0, nil
}

// moveHead moves one of them. The heads and those behind of both queues are counted in
// the new one already.
func (w *writer) moveHead(from, to *route, h head) error {
	// A third queue that is joined as well moves its own in its turn.
	other, err := w.number(w.q.headOf.int(to.id).int(h.key))
	if err != nil {
		return err
	}
	place := to.runs[h.key] == 0
	if other != 0 && place {
		if place = h.number < other; place {
			if err := w.stepBack(to, other, h.key); err != nil {
				return err
			}
		}
	}
	from.countWaiting(h.state, -1)
	if !place {
		to.heads.out(h.key)
		to.behind.in(h.key)
		w.touch(to, false)
		return w.q.letGo.int(h.number).int(behind).int(h.due).int(to.id).exec()
	}
	to.countWaiting(h.state, 1)
	if h.state != fresh {
		to.due, to.dueExact = min(to.due, h.due), false
	}
	w.touch(to, true)
	return w.q.reroute.int(h.number).int(to.id).exec()
}

// stepBack has a delivery that holds the place of its key, and waits, wait behind another.
func (w *writer) stepBack(rt *route, number, key int64) error {
	state, due := int64(0), int64(0)
	q := w.q.one.int(number)
	if q.next() {
		due, state = q.ColumnInt64(0), q.ColumnInt64(4)
	}
	if err := q.end(); err != nil {
		return err
	}
	w.unqueue(rt, state, due, key)
	delete(rt.passed, number)
	rt.behind.in(key)
	return w.q.letGo.int(number).int(behind).int(due).int(rt.id).exec()
}
