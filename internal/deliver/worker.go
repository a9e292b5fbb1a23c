package deliver

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// maxQueuedBytes bounds the bodies of a route's deliveries that wait in
	// memory for a slot.
	maxQueuedBytes = 8 << 20
	// minAhead is how many deliveries are leased ahead at least, so that a
	// route with a small max_in_flight does not need a commit for each.
	minAhead = 16
	// maxBatch bounds one lease.
	maxBatch = 256
	// minQueued is the least room for what is born running beyond the slots.
	// A reservation lasts as long as the accept's commit: without that room,
	// events that are being committed at once would find the slots taken and
	// take the long way through the store.
	minQueued = 64
)

// line is one route in the life of one dispatcher.
type line struct {
	Route
	d    *Dispatcher
	lane *lane // from Start on
	wake chan struct{}
	look atomic.Bool // something may be due

	mu       sync.Mutex
	started  bool
	stopped  bool
	reserved int
	running  int
	jobs     job // head of the ring of all leases in our hands
	count    int // of jobs
	queue    fifo
	typical  int // size of the largest body in the last batch
	hungry   bool

	h        holding
	known    bool    // the store's holds have been read once
	pending  pending // what the store does not know yet
	writing  bool
	version  int  // rises with each change of ours and each write of it
	nobody   bool // the last probe found nothing that waits
	catching catchUp
	resumer  *job // whose answer resumed the route, until catching is beyond it
	lookAt   time.Time
}

// pending is a change of the hold that is to be written.
type pending uint8

const (
	nothing pending = iota
	writeHold
	writeProbe
	writeResume
)

func newLine(d *Dispatcher, r Route) *line {
	l := &line{Route: r, d: d, wake: make(chan struct{}, 1), typical: 64 << 10}
	l.jobs.next, l.jobs.prev = &l.jobs, &l.jobs
	l.look.Store(true)
	return l
}

func (l *line) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// due says that the store may have something to lease.
func (l *line) due() {
	l.look.Store(true)
	l.poke()
}

// dueAt says that the store has something to lease from t on.
func (l *line) dueAt(t time.Time) {
	l.mu.Lock()
	earlier := l.lookAt.IsZero() || t.Before(l.lookAt)
	if earlier {
		l.lookAt = t
	}
	l.mu.Unlock()
	if earlier {
		l.poke()
	}
}

// inHand counts leases and reservations.
func (l *line) inHand() int { return l.reserved + l.count }

// reserve makes room for a delivery that may be born running.
func (l *line) reserve() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started || l.stopped || l.h.hold != nil || l.queue.bytes >= maxQueuedBytes {
		return false
	}
	most, paused := l.lane.ahead(time.Now(), l.MaxInFlight+max(minQueued, 2*l.MaxInFlight))
	if paused || l.inHand() >= most {
		return false
	}
	l.reserved++
	return true
}

func (l *line) unreserve() {
	l.mu.Lock()
	l.reserved = max(l.reserved-1, 0)
	poke := l.roomAgain()
	l.mu.Unlock()
	if poke {
		l.poke()
	}
}

// offer takes a delivery that was born running.
func (l *line) offer(j *job) {
	l.mu.Lock()
	l.reserved = max(l.reserved-1, 0)
	l.link(j)
	ok := l.open(false)
	begin := ok && l.queue.n == 0 && l.take(j)
	if ok && !begin {
		if ok = l.queue.bytes+j.size() <= maxQueuedBytes; ok {
			l.queue.push(j)
		}
	}
	l.mu.Unlock()
	switch {
	case begin:
		go l.work(j)
	case !ok:
		go l.d.giveBack([]*job{j})
	}
}

// take begins j if a slot is free. The caller holds mu.
func (l *line) take(j *job) bool {
	if !l.lane.acquire(l, j) {
		return false
	}
	l.begin(j)
	return true
}

func (l *line) begin(j *job) {
	l.running++
	j.running = true
	j.held = l.h.hold != nil
}

// runnable says whether the queue's front may begin. The caller holds mu.
func (l *line) runnable() bool {
	j := l.queue.front()
	return j != nil && l.open(j.probe)
}

// open says whether an attempt may begin. On a held route that is the probe and
// nothing else, on one that pauses because its app said slower nothing, and on
// one that an operator holds nothing at all: of their hold the store is asked,
// because we may not have read it yet. The caller holds mu.
func (l *line) open(probe bool) bool {
	h := l.h.hold
	if !l.started || l.stopped || h != nil && (h.ByHand || !probe) {
		return false
	}
	if h == nil {
		if _, paused := l.lane.ahead(time.Now(), 0); paused {
			return false
		}
	}
	_, byHand := l.newByHand()
	return !byHand
}

// newByHand is the operator's hold, if the store has one that we have not
// followed. The caller holds mu.
func (l *line) newByHand() (h spool.Hold, ok bool) {
	if l.h.hold != nil && l.h.hold.ByHand {
		return spool.Hold{}, false
	}
	return l.d.store.HeldByHand(l.Key)
}

// fill begins what waits, as far as there are slots.
func (l *line) fill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.runnable() && l.lane.acquire(l, l.queue.front()) {
		j := l.queue.pop()
		l.begin(j)
		go l.work(j)
	}
}

// pass ends j's use of its slot and returns what goes on in it, if anything.
func (l *line) pass(j *job) *job {
	l.mu.Lock()
	l.running--
	j.running = false
	var next *job
	if l.runnable() && l.lane.keep(l, l.queue.front()) {
		next = l.queue.pop()
		l.begin(next)
	}
	poke := l.roomAgain()
	l.mu.Unlock()
	if next == nil {
		l.lane.release()
	}
	if poke {
		l.poke()
	}
	return next
}

// flush takes all that has not begun out of the queue. The caller holds mu and
// gives it back afterwards.
func (l *line) flush() []*job {
	var jobs []*job
	for l.queue.n > 0 {
		jobs = append(jobs, l.queue.pop())
	}
	return jobs
}

func (l *line) link(j *job) {
	j.prev, j.next = l.jobs.prev, &l.jobs
	j.prev.next, j.next.prev = j, j
	l.count++
}

// drop ends our hold on a lease that was settled, given back or lost.
func (l *line) drop(j *job) *lane {
	l.mu.Lock()
	if j.next != nil {
		j.prev.next, j.next.prev = j.next, j.prev
		j.prev, j.next = nil, nil
		l.count--
	}
	if j.probe {
		j.probe, l.h.probing = false, false
	}
	poke, ln := l.roomAgain(), l.lane
	l.mu.Unlock()
	if poke {
		l.poke()
	}
	return ln
}

// room is how many more deliveries may be leased now. The caller holds mu.
func (l *line) room() int {
	ahead := max(minAhead, l.MaxInFlight)
	// A slow route leases what it needs soon: what waits in memory would count an
	// attempt if the process were killed.
	most, _ := l.lane.ahead(time.Now(), l.MaxInFlight+ahead)
	n := most - l.inHand()
	if n < min(ahead, most)/2 || n < 1 {
		return 0 // wait until a batch is worth its commit
	}
	n = min(n, maxBatch)
	if l.queue.n == 0 {
		return max(1, min(n, maxQueuedBytes/l.typical))
	}
	return min(n, max(0, maxQueuedBytes-l.queue.bytes)/l.typical)
}

// roomAgain says whether the loop, which had no room, has it now, or has
// nothing more to wait for. The caller holds mu.
func (l *line) roomAgain() bool {
	if l.stopped {
		return l.inHand() == 0
	}
	if !l.hungry || l.room() == 0 {
		return false
	}
	l.hungry = false
	return true
}
