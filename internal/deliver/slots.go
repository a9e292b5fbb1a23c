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
	s.sweep(time.Now())
	rs := s.routes[w.Key]
	if rs == nil {
		rs = &routeSlots{}
		s.routes[w.Key] = rs
	}
	rs.mu.Lock()
	rs.workers = append(rs.workers, w)
	rs.use(w)
	rs.mu.Unlock()
	return rs
}

// use makes w's numbers count. The caller holds mu.
func (rs *routeSlots) use(w *worker) {
	rs.limit = w.MaxInFlight
	rs.pace.bound(w.Rate, w.Burst)
	rs.paced.Store(rs.pace.bounds())
}

// sweep forgets the routes that no dispatcher serves and of whose pace there is
// nothing to know. The caller holds mu.
func (s *Slots) sweep(now time.Time) {
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
		rs.use(rs.workers[n-1])
	} else if rs.alarm != nil {
		rs.alarm.Stop()
		rs.alarmAt = time.Time{}
	}
	rs.mu.Unlock()
	s.sweep(time.Now())
	s.mu.Unlock()
	rs.refill()
}

// acquire takes a slot for an attempt of w, or remembers that w waits for one.
func (rs *routeSlots) acquire(w *worker, j *job) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.running >= rs.limit {
		rs.wait(w)
		return false
	}
	if !rs.inTime(w, j, rs.running) {
		return false
	}
	rs.running++
	return true
}

// keep says whether w may go on with its next delivery in the slot that it
// has. It may not when a newer configuration allows fewer, or it is too soon.
func (rs *routeSlots) keep(w *worker, j *job) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.running > rs.limit {
		rs.wait(w)
		return false
	}
	return rs.inTime(w, j, rs.running-1)
}

// inTime says whether j may begin beside so many, and counts it. A probe may at
// any time: probes have pauses of their own. The caller holds mu.
func (rs *routeSlots) inTime(w *worker, j *job, running int) bool {
	now := time.Now()
	rs.pace.expire(now)
	if !j.probe {
		at, full := rs.pace.ready(now, running)
		if full || at.After(now) {
			rs.wait(w)
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

func (rs *routeSlots) wait(w *worker) {
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

// due tells every dispatcher that serves the route that a delivery becomes due
// at t: the one that settled it may be gone by then.
func (rs *routeSlots) due(t time.Time) {
	rs.mu.Lock()
	workers := slices.Clone(rs.workers)
	rs.mu.Unlock()
	for _, w := range workers {
		w.dueAt(t)
	}
}
