package deliver

import (
	"sync"
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

// worker is one route in the life of one dispatcher.
type worker struct {
	Route
	d     *Dispatcher
	slots *routeSlots // from Start on
	wake  chan struct{}

	mu       sync.Mutex
	started  bool
	stopped  bool
	reserved int
	running  int
	jobs     job // head of the ring of all leases
	count    int // of jobs
	queue    fifo
	backlog  backlog
	hold     holdSync
}

func newWorker(d *Dispatcher, r Route) *worker {
	w := &worker{Route: r, d: d, wake: make(chan struct{}, 1)}
	w.backlog.typical = 64 << 10
	w.jobs.next, w.jobs.prev = &w.jobs, &w.jobs
	w.backlog.due.Store(true)
	return w
}

func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// markDue says that the store may have something to lease.
func (w *worker) markDue() {
	w.backlog.due.Store(true)
	w.poke()
}

// markDueAt says that the store has something to lease from t on.
func (w *worker) markDueAt(t time.Time) {
	w.mu.Lock()
	earlier := w.backlog.dueAt.IsZero() || t.Before(w.backlog.dueAt)
	if earlier {
		w.backlog.dueAt = t
	}
	w.mu.Unlock()
	if earlier {
		w.poke()
	}
}

// inHand counts leases and reservations.
func (w *worker) inHand() int { return w.reserved + w.count }

// reserve makes room for a delivery that may be born running.
func (w *worker) reserve() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.started || w.stopped || w.hold.current != nil || w.queue.bytes >= maxQueuedBytes {
		return false
	}
	most, paused := w.slots.ahead(time.Now(), w.MaxInFlight+max(minQueued, 2*w.MaxInFlight))
	if paused || w.inHand() >= most {
		return false
	}
	w.reserved++
	return true
}

func (w *worker) unreserve() {
	w.mu.Lock()
	w.reserved = max(w.reserved-1, 0)
	poke := w.hasRoomAgain()
	w.mu.Unlock()
	if poke {
		w.poke()
	}
}

// offer takes a delivery that was born running.
func (w *worker) offer(j *job) {
	w.mu.Lock()
	w.reserved = max(w.reserved-1, 0)
	w.link(j)
	ok := w.mayBegin(false)
	begin := ok && w.queue.n == 0 && w.take(j)
	if ok && !begin {
		if ok = w.queue.bytes+j.size() <= maxQueuedBytes; ok {
			w.queue.push(j)
		}
	}
	w.mu.Unlock()
	switch {
	case begin:
		go w.runSlot(j)
	case !ok:
		go w.d.giveBack([]*job{j})
	}
}

// take begins j if a slot is free. The caller holds mu.
func (w *worker) take(j *job) bool {
	if !w.slots.acquire(w, j) {
		return false
	}
	w.begin(j)
	return true
}

func (w *worker) begin(j *job) {
	w.running++
	j.held = w.hold.current != nil
}

// frontMayBegin says whether the queue's front may begin. The caller holds mu.
func (w *worker) frontMayBegin() bool {
	j := w.queue.front()
	return j != nil && w.mayBegin(j.probe)
}

// mayBegin says whether an attempt may begin. On a held route that is the probe and
// nothing else, on one that pauses because its app said slower nothing, and on
// one that an operator holds nothing at all: of their hold the store is asked,
// because we may not have read it yet. The caller holds mu.
func (w *worker) mayBegin(probe bool) bool {
	h := w.hold.current
	if !w.started || w.stopped || h != nil && (h.ByHand || !probe) {
		return false
	}
	if h == nil {
		if _, paused := w.slots.ahead(time.Now(), 0); paused {
			return false
		}
	}
	_, byHand := w.unseenHold()
	return !byHand
}

// unseenHold is the operator's hold, if the store has one that we have not
// followed. The caller holds mu.
func (w *worker) unseenHold() (h spool.Hold, ok bool) {
	if w.hold.current != nil && w.hold.current.ByHand {
		return spool.Hold{}, false
	}
	return w.d.store.HeldByHand(w.Key)
}

// fill begins what waits, as far as there are slots.
func (w *worker) fill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.frontMayBegin() && w.slots.acquire(w, w.queue.front()) {
		j := w.queue.pop()
		w.begin(j)
		go w.runSlot(j)
	}
}

// passSlot ends j's use of its slot and returns what goes on in it, if anything.
func (w *worker) passSlot(j *job) *job {
	w.mu.Lock()
	w.running--
	var next *job
	if w.frontMayBegin() && w.slots.keepSlot(w, w.queue.front()) {
		next = w.queue.pop()
		w.begin(next)
	}
	poke := w.hasRoomAgain()
	w.mu.Unlock()
	if next == nil {
		w.slots.release()
	}
	if poke {
		w.poke()
	}
	return next
}

// flush takes all that has not begun out of the queue. The caller holds mu and
// gives it back afterwards.
func (w *worker) flush() []*job {
	var jobs []*job
	for w.queue.n > 0 {
		jobs = append(jobs, w.queue.pop())
	}
	return jobs
}

func (w *worker) link(j *job) {
	j.prev, j.next = w.jobs.prev, &w.jobs
	j.prev.next, j.next.prev = j, j
	w.count++
}

// drop ends our hold on a lease that was settled, given back or lost.
func (w *worker) drop(j *job) *routeSlots {
	w.mu.Lock()
	if j.next != nil {
		j.prev.next, j.next.prev = j.next, j.prev
		j.prev, j.next = nil, nil
		w.count--
	}
	if j.probe {
		j.probe, w.hold.probing = false, false
	}
	poke, rs := w.hasRoomAgain(), w.slots
	w.mu.Unlock()
	if poke {
		w.poke()
	}
	return rs
}

// room is how many more deliveries may be leased now. The caller holds mu.
func (w *worker) room() int {
	ahead := max(minAhead, w.MaxInFlight)
	// A slow route leases what it needs soon: what waits in memory would count an
	// attempt if the process were killed.
	most, _ := w.slots.ahead(time.Now(), w.MaxInFlight+ahead)
	n := most - w.inHand()
	if n < min(ahead, most)/2 || n < 1 {
		return 0 // wait until a batch is worth its commit
	}
	n = min(n, maxBatch)
	if w.queue.n == 0 {
		return max(1, min(n, maxQueuedBytes/w.backlog.typical))
	}
	return min(n, max(0, maxQueuedBytes-w.queue.bytes)/w.backlog.typical)
}

// hasRoomAgain says whether the loop, which had no room, has it now, or has
// nothing more to wait for. The caller holds mu.
func (w *worker) hasRoomAgain() bool {
	if w.stopped {
		return w.inHand() == 0
	}
	if !w.backlog.hungry || w.room() == 0 {
		return false
	}
	w.backlog.hungry = false
	return true
}
