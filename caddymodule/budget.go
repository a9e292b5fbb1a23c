package caddymodule

import (
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// smallBody is the size up to which a body is one of the many. Larger ones have a
// budget of their own, so that slow large ones cannot starve those.
const smallBody = 64 << 10

// budgets bound the memory of bodies that are being read or stored, over all
// requests of the process.
type budgets struct{ small, large budget }

// bodies are the budgets of the process, made when the first webhook is
// provisioned: Caddy has set Go's memory limit by then.
var bodies = sync.OnceValue(func() *budgets { return newBudgets(debug.SetMemoryLimit(-1)) })

// newBudgets shares out a memory limit in bytes. Go's limit is GOMEMLIMIT, or what
// Caddy finds in the control group or the machine: a quarter of it is for bodies,
// as much again for what of them is not collected yet, and the rest for all else.
func newBudgets(limit int64) *budgets {
	const mostSmall, mostLarge, least = 64 << 20, 128 << 20, 4 << 20
	if limit == math.MaxInt64 {
		limit = 8 * mostLarge // Nobody has set one.
	}
	part := max(limit/8, least)
	b := new(budgets)
	b.small.max, b.large.max = min(part, mostSmall), min(part, mostLarge)+requestCost+1
	return b
}

// mostBody is the largest body that there can ever be room for.
func (b *budgets) mostBody() int64 { return b.large.max - requestCost - 1 }

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

	mu sync.Mutex
	// oldest and newest are the ends of the queue of bodies that are being read.
	// It is linked through them, so that a request costs no allocation for it.
	oldest, newest *bodyReader // Guarded by mu, like older and newer of each.
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
func (b *budget) evict(r *bodyReader) {
	b.remove(r)
	r.evicted.Store(true)
	b.used.Add(-r.taken.Swap(0))
	r.abort()
}

func (b *budget) push(r *bodyReader) {
	r.queued, r.older, r.newer = true, b.newest, nil
	if b.newest != nil {
		b.newest.newer = r
	} else {
		b.oldest = r
	}
	b.newest = r
}

func (b *budget) remove(r *bodyReader) {
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

// bodyReader reads one body.
type bodyReader struct {
	buf      []byte
	max      int64 // Bytes that the body may have.
	deadline time.Time
	// share is the one of the two budgets that taken is counted in.
	share, small, large *budget
	taken               atomic.Int64
	// queued: it is in share's queue, between older and newer. Guarded by share.mu.
	queued       bool
	older, newer *bodyReader
	evicted      atomic.Bool
	// abort ends a read that is under way.
	abort func()
}

func (b *bodyReader) release() { b.share.used.Add(-b.taken.Swap(0)) }

// grow makes the buffer size bytes large, if there is room for it.
func (b *bodyReader) grow(size int64) error {
	more := size - int64(cap(b.buf))
	if b.share == b.small && size > smallBody+1 {
		b.leave()
		b.release()
		b.share, more = b.large, size
		if err := b.enter(); err != nil {
			return err
		}
	}
	if !b.share.take(more) {
		return errCrowded
	}
	b.taken.Add(more)
	grown := make([]byte, len(b.buf), size)
	copy(grown, b.buf)
	b.buf = grown
	return nil
}

// enter counts a request that waits for its body, as the newest of them.
func (b *bodyReader) enter() error {
	if !b.share.take(requestCost) {
		return errCrowded
	}
	b.taken.Add(requestCost)
	b.share.mu.Lock()
	defer b.share.mu.Unlock()
	b.share.push(b)
	return nil
}

// leave: it waits no more, and cannot be evicted. What its buffer takes stays.
func (b *bodyReader) leave() {
	b.share.mu.Lock()
	defer b.share.mu.Unlock()
	if b.queued {
		b.share.remove(b)
		b.taken.Add(-requestCost)
		b.share.used.Add(-requestCost)
	}
}
