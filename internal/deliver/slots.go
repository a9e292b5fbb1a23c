package deliver

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Lanes keeps what a route's attempts share over all dispatchers of one store:
// how many are in flight, and their pace. It belongs to the process, as the
// store does: during a reload the old and the new dispatcher share a route's
// max_in_flight and rate, of which the newest numbers count, and an app that
// said slower has said so to both.
type Lanes struct {
	mu    sync.Mutex
	lanes map[spool.RouteKey]*lane
}

// NewLanes returns empty Lanes.
func NewLanes() *Lanes {
	return &Lanes{lanes: make(map[spool.RouteKey]*lane)}
}

// lane is one route in the life of the process.
type lane struct {
	mu      sync.Mutex
	running int
	limit   int
	lines   []*line // in the order of their start
	waiting []*line // those that were refused a slot
	pace    pace
	paced   atomic.Bool // the pace has bounds; written under mu
	// alarm lets those that wait try again when the pace allows it, at alarmAt.
	alarm   *time.Timer
	alarmAt time.Time
}

// join makes l the newest line of its route.
func (ls *Lanes) join(l *line) *lane {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.sweep(time.Now())
	ln := ls.lanes[l.Key]
	if ln == nil {
		ln = &lane{}
		ls.lanes[l.Key] = ln
	}
	ln.mu.Lock()
	ln.lines = append(ln.lines, l)
	ln.use(l)
	ln.mu.Unlock()
	return ln
}

// use makes l's numbers count. The caller holds mu.
func (ln *lane) use(l *line) {
	ln.limit = l.MaxInFlight
	ln.pace.bound(l.Rate, l.Burst)
	ln.paced.Store(ln.pace.bounds())
}

// sweep forgets the lanes that no dispatcher serves and of whose pace there is
// nothing to know. The caller holds mu.
func (ls *Lanes) sweep(now time.Time) {
	for k, ln := range ls.lanes {
		ln.mu.Lock()
		idle := len(ln.lines) == 0 && ln.pace.rests(now)
		ln.mu.Unlock()
		if idle {
			delete(ls.lanes, k)
		}
	}
}

// leave takes l, which runs nothing any more, off its lane.
func (ls *Lanes) leave(l *line) {
	ls.mu.Lock()
	ln := l.lane
	ln.mu.Lock()
	ln.lines = slices.DeleteFunc(ln.lines, func(o *line) bool { return o == l })
	ln.waiting = slices.DeleteFunc(ln.waiting, func(o *line) bool { return o == l })
	if n := len(ln.lines); n > 0 {
		ln.use(ln.lines[n-1])
	} else if ln.alarm != nil {
		ln.alarm.Stop()
		ln.alarmAt = time.Time{}
	}
	ln.mu.Unlock()
	ls.sweep(time.Now())
	ls.mu.Unlock()
	ln.refill()
}

// acquire takes a slot for an attempt of l, or remembers that l waits for one.
func (ln *lane) acquire(l *line, j *job) bool {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.running >= ln.limit {
		ln.wait(l)
		return false
	}
	if !ln.inTime(l, j, ln.running) {
		return false
	}
	ln.running++
	return true
}

// keep says whether l may go on with its next delivery in the slot that it
// has. It may not when a newer configuration allows fewer, or it is too soon.
func (ln *lane) keep(l *line, j *job) bool {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.running > ln.limit {
		ln.wait(l)
		return false
	}
	return ln.inTime(l, j, ln.running-1)
}

// inTime says whether j may begin beside so many, and counts it. A probe may at
// any time: probes have pauses of their own. The caller holds mu.
func (ln *lane) inTime(l *line, j *job, running int) bool {
	now := time.Now()
	ln.pace.expire(now)
	if !j.probe {
		at, full := ln.pace.ready(now, running)
		if full || at.After(now) {
			ln.wait(l)
			if !full {
				ln.alarmIn(now, at)
			}
			return false
		}
	}
	j.epoch = ln.pace.begin(now, j.Lease.Delivery)
	return true
}

// alarmIn sees that those that wait try again at t. The caller holds mu.
func (ln *lane) alarmIn(now, t time.Time) {
	switch {
	case ln.alarm == nil:
		ln.alarm = time.AfterFunc(t.Sub(now), ln.ring)
	case ln.alarmAt.IsZero() || t.Before(ln.alarmAt):
		ln.alarm.Reset(t.Sub(now))
	default:
		return
	}
	ln.alarmAt = t
}

func (ln *lane) ring() {
	ln.mu.Lock()
	ln.alarmAt = time.Time{}
	ln.mu.Unlock()
	ln.refill()
}

func (ln *lane) wait(l *line) {
	if !slices.Contains(ln.waiting, l) {
		ln.waiting = append(ln.waiting, l)
	}
}

// release gives a slot back. The caller holds no line's lock.
func (ln *lane) release() {
	ln.mu.Lock()
	ln.running--
	idle := len(ln.waiting) == 0
	ln.mu.Unlock()
	if !idle {
		ln.refill()
	}
}

// refill lets those that wait try again. It runs in the goroutine that freed
// the slot, because a line's own loop may be waiting for the store.
func (ln *lane) refill() {
	ln.mu.Lock()
	var waiting []*line
	if ln.running < ln.limit {
		waiting, ln.waiting = ln.waiting, nil
	}
	ln.mu.Unlock()
	for _, l := range waiting {
		l.fill()
	}
}

// due tells every dispatcher that serves the route that a delivery becomes due
// at t: the one that settled it may be gone by then.
func (ln *lane) due(t time.Time) {
	ln.mu.Lock()
	lines := slices.Clone(ln.lines)
	ln.mu.Unlock()
	for _, l := range lines {
		l.dueAt(t)
	}
}
