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
	mu     sync.Mutex
	routes map[spool.RouteKey]*routeSlots
}

// NewSlots returns empty Slots.
func NewSlots() *Slots {
	return &Slots{routes: make(map[spool.RouteKey]*routeSlots)}
}

// routeSlots is one route in the life of the process.
type routeSlots struct {
	mu      sync.Mutex
	running int
	limit   int
	workers []*worker // in the order of their start
	waiting []*worker // those that were refused a slot
	pace    pace
	paced   atomic.Bool // the pace has bounds; written under mu
	// alarm lets those that wait try again when the pace allows it, at alarmAt.
	alarm   *time.Timer
	alarmAt time.Time
}

// join makes w the newest worker of its route.
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

// applyBounds makes w's numbers count. The caller holds mu.
func (rs *routeSlots) applyBounds(w *worker) {
	rs.limit = w.MaxInFlight
	rs.pace.bound(w.Rate, w.Burst)
	rs.paced.Store(rs.pace.bounds())
}

// forgetIdle forgets the routes that no dispatcher serves and of whose pace there is
// nothing to know. The caller holds mu.
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

// leave takes w, which runs nothing any more, off its route.
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

// keepSlot says whether w may go on with its next delivery in the slot that it
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

// paceAllows says whether j may begin beside so many, and counts it. A probe may at
// any time: probes have pauses of their own. The caller holds mu.
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

// alarmIn sees that those that wait try again at t. The caller holds mu.
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

func (rs *routeSlots) ring() {
	rs.mu.Lock()
	rs.alarmAt = time.Time{}
	rs.mu.Unlock()
	rs.refill()
}

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

// refill lets those that wait try again. It runs in the goroutine that freed
// the slot, because a worker's own loop may be waiting for the store.
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

// markDueAt tells every dispatcher that serves the route that a delivery becomes due
// at t: the one that settled it may be gone by then.
func (rs *routeSlots) markDueAt(t time.Time) {
	rs.mu.Lock()
	workers := slices.Clone(rs.workers)
	rs.mu.Unlock()
	for _, w := range workers {
		w.markDueAt(t)
	}
}

// paused says until when the route pauses.
func (rs *routeSlots) paused(now time.Time) (until time.Time, yes bool) {
	if !rs.paced.Load() {
		return until, false
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.pace.paused(now)
}

// ahead is how many deliveries may be in hand, and whether the route pauses.
func (rs *routeSlots) ahead(now time.Time, most int) (n int, paused bool) {
	if !rs.paced.Load() {
		return most, false // Each accept asks.
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	_, paused = rs.pace.paused(now)
	return rs.pace.ahead(most), paused
}

// forget ends the slowing. What waited for its time is tried by refill, which
// the caller runs when it holds no lock.
func (rs *routeSlots) forget() {
	rs.mu.Lock()
	rs.pace.forget()
	rs.paced.Store(rs.pace.bounds())
	rs.mu.Unlock()
}

// giveBackQueued gives back what waits in memory, of every dispatcher that serves the
// route: in a pause of minutes it would only keep leases.
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
