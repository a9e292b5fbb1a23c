package deliver

import (
	"sync"
	"sync/atomic"
	"time"
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
	// firstTypical is the size of a body in bytes that the first lease reckons with.
	firstTypical = 64 << 10
)

// worker is one route in the life of one dispatcher. Its loop (run) leases; each
// attempt has a goroutine, which goes on with the next delivery while one waits
// (runSlot). Its state is in three groups, each with its methods in one file: what
// it has leased (here), what it knows of the rest (backlog, leasing.go), and
// whether the route is held (holdSync, hold_sync.go).
//
// Lock order: worker.mu before routeSlots.mu. So a worker may ask its slots while it
// holds its own lock, and what slots do for waiting workers (refill, markDueAt,
// giveBackQueued) they do without theirs. Slots.mu comes before routeSlots.mu and
// is never taken under worker.mu. Of the store only HeldByHand is called under
// worker.mu, which its contract allows; calls that may wait never are.
type worker struct {
	Route
	d *Dispatcher
	// slots are shared with the workers that other dispatchers have for this route.
	// nil before Start.
	slots *routeSlots
	// live is how many live members serve the route, at least 1: see members.go.
	live atomic.Int64
	// wake has a value when the loop must look again. One is enough: it looks at
	// everything.
	wake chan struct{}

	// mu guards all below, and the fields of jobs. It is never held over a call that
	// may wait for the store or the upstream.
	mu sync.Mutex
	// started and stopped follow the dispatcher's Start and Stop.
	started, stopped bool
	// reserved counts places promised to accepts whose commit is under way.
	reserved int
	// running counts the attempts under way.
	running int
	// jobs is the head of a ring of all leases: waiting, running, or being settled
	// or given back. The ring is what extend and Drain go by.
	jobs job
	// count is the length of the ring.
	count int
	// queue holds those of the ring that wait for a slot, in the order of coming.
	queue   fifo
	backlog backlog
	hold    holdSync
}

func newWorker(d *Dispatcher, r Route) *worker {
	w := &worker{Route: r, d: d, wake: make(chan struct{}, 1)}
	w.backlog.typical = firstTypical
	w.live.Store(1)
	w.jobs.next, w.jobs.prev = &w.jobs, &w.jobs
	w.backlog.due.Store(true) // What waits from an earlier run was never reported.
	return w
}

// poke makes the loop look again.
func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// taken returns the number of leases and reservations. The caller holds mu.
func (w *worker) taken() int { return w.reserved + w.count }

// reserve makes room for a delivery that may be born running, and reports whether
// there was some.
func (w *worker) reserve() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.started || w.stopped || w.hold.current != nil || w.queue.bytes >= maxQueuedBytes {
		return false
	}
	limit := w.limit()
	most, paused := w.slots.ahead(time.Now(), limit+max(minQueued, 2*limit))
	if paused || w.taken() >= most {
		return false
	}
	w.reserved++
	return true
}

// unreserve gives back the room of an event that was not born running here.
func (w *worker) unreserve() {
	w.mu.Lock()
	w.reserved = max(w.reserved-1, 0)
	poke := w.hasRoomAgain()
	w.mu.Unlock()
	if poke {
		w.poke()
	}
}

// offer takes a delivery that was born running: it begins, waits for a slot in
// memory, or is given back. The body's bytes were not known when the room was
// reserved, so they are looked at here.
func (w *worker) offer(j *job) {
	w.mu.Lock()
	w.reserved = max(w.reserved-1, 0)
	w.link(j)
	ok := w.mayBegin(false)
	// Not past what waits already: the queue keeps the order of coming.
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

// take begins j if a slot is free, and reports whether one was. The caller holds mu.
func (w *worker) take(j *job) bool {
	if !w.slots.acquire(w, j) {
		return false
	}
	w.begin(j)
	return true
}

// begin notes that the attempt of j begins. The caller holds mu.
func (w *worker) begin(j *job) {
	w.running++
	j.held = w.hold.current != nil
}

// frontMayBegin reports whether the queue's front may begin. The caller holds mu.
func (w *worker) frontMayBegin() bool {
	j := w.queue.front()
	return j != nil && w.mayBegin(j.probe)
}

// mayBegin reports whether an attempt may begin, slots aside. On a held route only
// the probe may, on a route that pauses because its app said slower nothing, and on
// one that an operator holds nothing at all. An operator's hold takes effect at
// once, so the store is asked for it: the periodic reading of holds may lag
// behind. The caller holds mu.
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

// passSlot ends an attempt's use of its slot and returns the job that goes on in it.
// It is nil where none waits or may begin: then the slot is free for other workers.
func (w *worker) passSlot() *job {
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
// gives the jobs back when it has let go of it.
func (w *worker) flush() []*job {
	var jobs []*job
	for w.queue.n > 0 {
		jobs = append(jobs, w.queue.pop())
	}
	return jobs
}

// link adds a new lease to the ring. The caller holds mu.
func (w *worker) link(j *job) {
	j.prev, j.next = w.jobs.prev, &w.jobs
	j.prev.next, j.next.prev = j, j
	w.count++
}

// drop takes a job out of the ring whose lease was settled, given back or lost,
// and returns the route's slots. A second call for one job changes nothing.
func (w *worker) drop(j *job) *routeSlots {
	w.mu.Lock()
	if j.next != nil {
		j.prev.next, j.next.prev = j.next, j.prev
		j.prev, j.next = nil, nil
		w.count--
	}
	if j.probe {
		// It was never tried: the next delivery may be.
		j.probe, w.hold.probing = false, false
	}
	poke, rs := w.hasRoomAgain(), w.slots
	w.mu.Unlock()
	if poke {
		w.poke()
	}
	return rs
}

// isGone reports whether Drain gave the lease of j back by force.
func (w *worker) isGone(j *job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return j.gone
}

// room returns how many more deliveries may be leased now. The caller holds mu.
func (w *worker) room() int {
	limit := w.limit()
	ahead := max(minAhead, limit)
	// A slow route leases what it needs soon: what waits in memory would count an
	// attempt if the process were killed.
	most, _ := w.slots.ahead(time.Now(), limit+ahead)
	// Reservations do not count: under a steady load there are always some, and what the
	// end of another of its key has made due in the store must have its turn beside what
	// is born running.
	n := most - w.count
	if n < min(ahead, most)/2 || n < 1 {
		return 0 // Wait until a batch is worth its commit.
	}
	n = min(n, maxBatch)
	// Sizes are known only once they are leased, so the last batch's largest stands
	// in for them. With nothing waiting one is leased however large it may be.
	if w.queue.n == 0 {
		return max(1, min(n, maxQueuedBytes/w.backlog.typical))
	}
	return min(n, max(0, maxQueuedBytes-w.queue.bytes)/w.backlog.typical)
}

// hasRoomAgain reports whether the loop, which had no room, has it now, or after
// Stop has nothing more to wait for. The caller holds mu, and pokes.
func (w *worker) hasRoomAgain() bool {
	if w.stopped {
		return w.taken() == 0
	}
	if !w.backlog.hungry || w.room() == 0 {
		return false
	}
	w.backlog.hungry = false
	return true
}
