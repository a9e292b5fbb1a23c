package metrics

import (
	"sync"
	"sync/atomic"
	"time"
)

// Recent counts, and knows how many came in the last minute. The zero Recent is ready
// for use.
type Recent struct {
	n atomic.Int64 // Since the start.

	mu   sync.Mutex
	seen []noted // Oldest first, recentEvery apart or more; guarded by mu.
}

type noted struct {
	at time.Time
	n  int64
}

const recentEvery = time.Second

// Add counts n more.
func (t *Recent) Add(n int64) { t.n.Add(n) }

// Note remembers how many there are now. It is to be called about once a second.
func (t *Recent) Note(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := len(t.seen); k > 0 && now.Sub(t.seen[k-1].at) < recentEvery {
		return
	}
	t.seen = append(t.seen, noted{now, t.n.Load()})
	for len(t.seen) > 1 && now.Sub(t.seen[1].at) >= time.Minute {
		t.seen = t.seen[1:]
	}
}

// LastMinute returns how many came in the minute before now.
func (t *Recent) LastMinute(now time.Time) int64 {
	t.Note(now)
	t.mu.Lock()
	defer t.mu.Unlock()
	// Before the first note nothing was counted, unless it lies a minute back.
	first := int64(0)
	if now.Sub(t.seen[0].at) >= time.Minute {
		first = t.seen[0].n
	}
	return t.n.Load() - first
}

// Burst finds out when many things happen in a short time. The zero Burst is ready for
// use.
type Burst struct {
	mu       sync.Mutex // Guards all that follows.
	began    time.Time  // When the count began,
	n        int        // and what it has come to.
	reported time.Time  // When Add last returned true.
}

const (
	burstSize   = 50
	burstWithin = 10 * time.Second
	burstQuiet  = time.Minute
)

// Add counts one thing, and reports whether it completes a burst: 50 within 10 s. A
// minute passes before it reports another.
func (b *Burst) Add(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.began) > burstWithin {
		b.began, b.n = now, 0
	}
	if b.n++; b.n < burstSize || now.Sub(b.reported) < burstQuiet {
		return false
	}
	b.reported = now
	return true
}
