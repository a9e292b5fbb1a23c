// Package body reads the bodies of requests into memory that is bounded over all
// requests of the process.
//
// Guarantee: the buffers that are held, and the requests that wait for their body,
// never take more than the budget. However many slow bodies there are, one that
// comes at once is read: the one that has been coming for the longest time makes
// room. Large bodies have a budget of their own, so that they starve no small ones.
//
// Limits: what is counted is what was allocated here, not what the garbage collector
// has not taken back yet.
package body

import (
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Small is the size up to which a body is one of the many. Larger ones have a
// budget of their own, so that slow large ones cannot starve those.
const Small = 64 << 10

// Budgets bound the memory of bodies that are being read or stored.
type Budgets struct{ small, large budget }

// Process returns the budgets of the process. They are made by the first call, with
// the memory limit that Go has by then.
var Process = sync.OnceValue(func() *Budgets { return New(debug.SetMemoryLimit(-1)) })

// New shares out a memory limit in bytes: a quarter of it is for bodies, as much
// again for what of them is not collected yet, and the rest for all else.
// math.MaxInt64 means that there is no limit.
func New(limit int64) *Budgets {
	const mostSmall, mostLarge, least = 64 << 20, 128 << 20, 4 << 20
	if limit == math.MaxInt64 {
		limit = 8 * mostLarge // None is set.
	}
	part := max(limit/8, least)
	b := new(Budgets)
	b.small.max, b.large.max = min(part, mostSmall), min(part, mostLarge)+requestCost+1
	return b
}

// Largest returns the size of the largest body that there can ever be room for, in
// bytes.
func (b *Budgets) Largest() int64 { return b.large.max - requestCost - 1 }

// requestCost is what a request that waits for its body takes beside it: a
// connection's buffers, a stack, the parsed header. About so much was measured.
const requestCost = 20 << 10

// budget is room for bodies of one kind. When it is used up, the body that has
// been coming for the longest time makes room: one that comes whole is there
// within milliseconds, so that however many slow ones there are, they starve only
// each other.
type budget struct {
	max  int64        // Bytes.
	used atomic.Int64 // Bytes of buffers, as allocated, and of requests that wait.

	mu sync.Mutex // Guards the queue.
	// oldest and newest are the ends of the queue of bodies that are being read.
	// It is linked through them, so that a request costs no allocation for it.
	oldest, newest *Body
}

// take counts n bytes for b, and evicts others where there is no room.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.max {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.used.Load() > b.max {
		if b.oldest == nil {
			b.used.Add(-n)
			return false
		}
		b.evict(b.oldest)
	}
	return true
}

// evict ends the reading of a body. Its reader cannot have gone on to the next
// request of its connection: it must leave the queue first, which b.mu forbids.
func (b *budget) evict(r *Body) {
	b.remove(r)
	r.evicted.Store(true)
	b.used.Add(-r.taken.Swap(0))
	r.abort()
}

func (b *budget) push(r *Body) {
	r.queued, r.older, r.newer = true, b.newest, nil
	if b.newest != nil {
		b.newest.newer = r
	} else {
		b.oldest = r
	}
	b.newest = r
}

func (b *budget) remove(r *Body) {
	if r.older != nil {
		r.older.newer = r.newer
	} else {
		b.oldest = r.newer
	}
	if r.newer != nil {
		r.newer.older = r.older
	} else {
		b.newest = r.older
	}
	r.queued, r.older, r.newer = false, nil, nil
}

// Body is the body of one request. Several may need the bytes, such as the request
// and the accept that outlives it: the last one to drop it gives its part of the
// budget back. The zero Body has no bytes and takes nothing.
type Body struct {
	buf      []byte
	max      int64     // Bytes that the body may have.
	deadline time.Time // When it must be whole.
	// share is the one of small and large, the two budgets, that taken is counted in.
	// Only the goroutine that reads changes it.
	share, small, large *budget
	// taken is how many bytes of share the body and its request have.
	taken atomic.Int64
	// queued is set while the body is in share's queue, between older and newer. All
	// three are guarded by share.mu.
	queued       bool
	older, newer *Body
	evicted      atomic.Bool // Another body was given its room while it was read.
	abort        func()      // Ends a read that is under way.

	others  atomic.Int32 // Users besides the first.
	dropped atomic.Bool  // The last user has gone.
}

func (b *Budgets) reader(max int64, deadline time.Time, abort func()) *Body {
	return &Body{max: max, deadline: deadline, share: &b.small, small: &b.small, large: &b.large, abort: abort}
}

// Bytes returns the body, which is not to be changed.
func (b *Body) Bytes() []byte { return b.buf }

// Keep adds a user, which must call Drop.
func (b *Body) Keep() { b.others.Add(1) }

// Drop ends the part of one user.
func (b *Body) Drop() {
	if b.others.Add(-1) < 0 && b.dropped.CompareAndSwap(false, true) && b.share != nil {
		b.release()
	}
}

func (b *Body) release() { b.share.used.Add(-b.taken.Swap(0)) }

// grow makes the buffer size bytes large, if there is room for it.
func (b *Body) grow(size int64) error {
	more := size - int64(cap(b.buf))
	if b.share == b.small && size > Small+1 {
		b.leave()
		b.release()
		b.share, more = b.large, size
		if err := b.enter(); err != nil {
			return err
		}
	}
	if !b.share.take(more) {
		return ErrCrowded
	}
	b.taken.Add(more)
	grown := make([]byte, len(b.buf), size)
	copy(grown, b.buf)
	b.buf = grown
	return nil
}

// enter counts a request that waits for its body, as the newest of them.
func (b *Body) enter() error {
	if !b.share.take(requestCost) {
		return ErrCrowded
	}
	b.taken.Add(requestCost)
	b.share.mu.Lock()
	defer b.share.mu.Unlock()
	b.share.push(b)
	return nil
}

// leave ends the wait for the body, which cannot be evicted any more. What its
// buffer takes stays counted.
func (b *Body) leave() {
	b.share.mu.Lock()
	defer b.share.mu.Unlock()
	if b.queued {
		b.share.remove(b)
		b.taken.Add(-requestCost)
		b.share.used.Add(-requestCost)
	}
}
