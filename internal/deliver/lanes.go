package deliver

import (
	"slices"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Lanes counts the attempts in flight over all dispatchers of one store. It
// belongs to the process, as the store does: during a reload the old and the
// new dispatcher share a route's max_in_flight, and the newest number counts.
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
}

// join makes l the newest line of its route.
func (ls *Lanes) join(l *line) *lane {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ln := ls.lanes[l.Key]
	if ln == nil {
		ln = &lane{}
		ls.lanes[l.Key] = ln
	}
	ln.mu.Lock()
	ln.lines = append(ln.lines, l)
	ln.limit = l.MaxInFlight
	ln.mu.Unlock()
	return ln
}

// leave takes l, which runs nothing any more, off its lane.
func (ls *Lanes) leave(l *line) {
	ls.mu.Lock()
	ln := l.lane
	ln.mu.Lock()
	ln.lines = slices.DeleteFunc(ln.lines, func(o *line) bool { return o == l })
	ln.waiting = slices.DeleteFunc(ln.waiting, func(o *line) bool { return o == l })
	if n := len(ln.lines); n > 0 {
		ln.limit = ln.lines[n-1].MaxInFlight
	} else {
		delete(ls.lanes, l.Key)
	}
	ln.mu.Unlock()
	ls.mu.Unlock()
	ln.refill()
}

// acquire takes a slot for l, or remembers that l waits for one.
func (ln *lane) acquire(l *line) bool {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.running < ln.limit {
		ln.running++
		return true
	}
	ln.wait(l)
	return false
}

// keep says whether l may go on with its next delivery in the slot that it
// has. It may not when a newer configuration allows fewer.
func (ln *lane) keep(l *line) bool {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.running <= ln.limit {
		return true
	}
	ln.wait(l)
	return false
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
