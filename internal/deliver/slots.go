package deliver

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Slots keeps what a route's attempts share over all dispatchers of one store:
// how many are in flight, and their pace. It belongs to the process, as the
// store does: during a reload the old and the new dispatcher share a route's
// max_in_flight and rate, of which the newest numbers count, and an app that
// said slower has said so to both.
type Slots struct {
	// mu guards routes. Lock order: see worker.
	mu     sync.Mutex
	routes map[spool.RouteKey]*routeSlots
}

// NewSlots returns the Slots of a process that has no dispatcher yet.
func NewSlots() *Slots {
	return &Slots{routes: make(map[spool.RouteKey]*routeSlots)}
}

// routeSlots is one route in the life of the process: the places for its attempts,
// and how fast they may follow each other.
type routeSlots struct {
	// paced reports whether the pace has bounds. Written under mu and read without:
	// each accept asks, and most routes have none.
	paced atomic.Bool

	// mu guards all below. Lock order: see worker.
	mu sync.Mutex
	// running counts the attempts of all workers, of at most limit. It may be above
	// for a while when a new configuration allows fewer.
	running, limit int
	// workers are those that serve the route, in the order of their start: the
	// newest one's configuration counts.
	workers []*worker
	// waiting are the workers that were refused a slot, oldest refusal first.
	waiting []*worker
	pace    pace
	// alarm lets those that wait try again when the pace allows it; nil before it is
	// needed first. alarmAt is when it rings, zero if it is not set.
	alarm   *time.Timer
	alarmAt time.Time
}

// join makes w the newest worker of its route and returns the slots of the route.
func (s *Slots) join(w *worker) *routeSlots {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetIdle(time.Now())
	rs := s.routes[w.Key]
	if rs == nil {
		rs = &routeSlots{}
		s.routes[w.Key] = rs
	}
	rs.mu.Lock()
	rs.workers = append(rs.workers, w)
	rs.applyBounds(w)
	rs.mu.Unlock()
	return rs
}

// applyBounds makes the numbers of w's configuration count, as far as they are this
// process's. The caller holds mu.
func (rs *routeSlots) applyBounds(w *worker) {
	rs.limit = w.limit()
	rs.pace.bound(w.rate())
	rs.paced.Store(rs.pace.bounds())
}

// rebound follows a change of this process's share.
func (rs *routeSlots) rebound() {
	rs.mu.Lock()
	if n := len(rs.workers); n > 0 {
		rs.applyBounds(rs.workers[n-1])
	}
	rs.mu.Unlock()
	rs.refill()
}

// forgetIdle forgets the routes that no dispatcher serves and whose app has not lately
// said slower: names come and go with configurations, and the process may live for
// years. The caller holds mu.
func (s *Slots) forgetIdle(now time.Time) {
	for k, rs := range s.routes {
		rs.mu.Lock()
		idle := len(rs.workers) == 0 && rs.pace.rests(now)
		rs.mu.Unlock()
		if idle {
			delete(s.routes, k)
		}
	}
}

// leave takes w, which runs nothing any more, off its route. The workers that wait try
// again, because a lower limit may leave with it.
func (s *Slots) leave(w *worker) {
	s.mu.Lock()
	rs := w.slots
	rs.mu.Lock()
	rs.workers = slices.DeleteFunc(rs.workers, func(o *worker) bool { return o == w })
	rs.waiting = slices.DeleteFunc(rs.waiting, func(o *worker) bool { return o == w })
	if n := len(rs.workers); n > 0 {
		rs.applyBounds(rs.workers[n-1])
	} else if rs.alarm != nil {
		rs.alarm.Stop()
		rs.alarmAt = time.Time{}
	}
	rs.mu.Unlock()
	s.forgetIdle(time.Now())
	s.mu.Unlock()
	rs.refill()
}

// acquire takes a slot for an attempt of w, or remembers that w waits for one.
func (rs *routeSlots) acquire(w *worker, j *job) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.running >= rs.limit {
		rs.addWaiting(w)
		return false
	}
	if !rs.paceAllows(w, j, rs.running) {
		return false
	}
	rs.running++
	return true
}

// keepSlot reports whether w may go on with its next delivery in the slot that it
// has. It may not when a newer configuration allows fewer, or it is too soon.
func (rs *routeSlots) keepSlot(w *worker, j *job) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.running > rs.limit {
		rs.addWaiting(w)
		return false
	}
	return rs.paceAllows(w, j, rs.running-1)
}

// paceAllows reports whether j may begin beside so many, and counts it if so. A probe
// may at any time: probes have pauses of their own. The caller holds mu.
func (rs *routeSlots) paceAllows(w *worker, j *job, running int) bool {
	now := time.Now()
	rs.pace.expire(now)
	if !j.probe {
		at, full := rs.pace.ready(now, running)
		if full || at.After(now) {
			rs.addWaiting(w)
			if !full {
				rs.alarmIn(now, at)
			}
			return false
		}
	}
	j.epoch = rs.pace.begin(now, j.Lease.Delivery)
	return true
}

// alarmIn makes those that wait try again at t. The caller holds mu.
func (rs *routeSlots) alarmIn(now, t time.Time) {
	switch {
	case rs.alarm == nil:
		rs.alarm = time.AfterFunc(t.Sub(now), rs.ring)
	case rs.alarmAt.IsZero() || t.Before(rs.alarmAt):
		rs.alarm.Reset(t.Sub(now))
	default:
		return
	}
	rs.alarmAt = t
}

// ring is the end of the alarm.
func (rs *routeSlots) ring() {
	rs.mu.Lock()
	rs.alarmAt = time.Time{}
	rs.mu.Unlock()
	rs.refill()
}

// addWaiting remembers that w waits for a slot. The caller holds mu.
func (rs *routeSlots) addWaiting(w *worker) {
	if !slices.Contains(rs.waiting, w) {
		rs.waiting = append(rs.waiting, w)
	}
}

// release gives a slot back. The caller holds no worker's lock.
func (rs *routeSlots) release() {
	rs.mu.Lock()
	rs.running--
	idle := len(rs.waiting) == 0
	rs.mu.Unlock()
	if !idle {
		rs.refill()
	}
}

// refill lets those that wait try again. It runs in the goroutine that freed the
// slot, because a worker's own loop may be waiting for the store. All of them are
// asked, and not just the first, because that one may have been stopped or held
// meanwhile; those that find no slot line up again.
func (rs *routeSlots) refill() {
	rs.mu.Lock()
	var waiting []*worker
	if rs.running < rs.limit {
		waiting, rs.waiting = rs.waiting, nil
	}
	rs.mu.Unlock()
	for _, w := range waiting {
		w.fill()
	}
}

// markDueAt notes for every worker that a delivery becomes due at t: that of the
// dispatcher which settled it may be gone by then.
func (rs *routeSlots) markDueAt(t time.Time) {
	rs.mu.Lock()
	workers := slices.Clone(rs.workers)
	rs.mu.Unlock()
	for _, w := range workers {
		w.markDueAt(t)
	}
}

// paused returns until when the route pauses, and reports whether it does.
func (rs *routeSlots) paused(now time.Time) (until time.Time, yes bool) {
	if !rs.paced.Load() {
		return until, false
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.pace.paused(now)
}

// ahead returns how many deliveries a worker may have taken, most at the most, and
// reports whether the route pauses.
func (rs *routeSlots) ahead(now time.Time, most int) (n int, paused bool) {
	if !rs.paced.Load() {
		return most, false // Each accept asks.
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	_, paused = rs.pace.paused(now)
	return rs.pace.ahead(most), paused
}

// forget ends the slowing. What waited for its time is tried by refill, which the
// caller runs when it holds no worker's lock.
func (rs *routeSlots) forget() {
	rs.mu.Lock()
	rs.pace.forget()
	rs.paced.Store(rs.pace.bounds())
	rs.mu.Unlock()
}

// giveBackQueued gives back what waits in memory, of every worker: in a pause of
// minutes it would only be extended again and again, and count an attempt if the
// process were killed. On a held route nothing waits but the probe, which goes on.
func (rs *routeSlots) giveBackQueued() {
	rs.mu.Lock()
	workers := slices.Clone(rs.workers)
	rs.mu.Unlock()
	for _, w := range workers {
		w.mu.Lock()
		var back []*job
		if w.hold.current == nil {
			back = w.flush()
		}
		w.mu.Unlock()
		w.poke()
		if len(back) > 0 {
			go w.d.giveBack(back)
		}
	}
}
