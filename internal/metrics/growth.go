package metrics

import (
	"math"
	"sync"
	"time"
)

// Growth is how the store's size has moved in the last minutes. The zero Growth has
// seen nothing.
type Growth struct {
	mu   sync.Mutex
	seen []sight // Oldest first, growthEvery apart or more; guarded by mu.
}

type sight struct {
	at   time.Time
	used int64 // Bytes.
}

const (
	growthEvery = 10 * time.Second
	growthKept  = 30
)

// Add notes the size, in bytes, at that time.
func (t *Growth) Add(at time.Time, used int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.seen); n > 0 && at.Sub(t.seen[n-1].at) < growthEvery {
		return
	}
	t.seen = append(t.seen, sight{at, used})
	if len(t.seen) > growthKept {
		t.seen = t.seen[1:]
	}
}

// Full returns how many seconds the room, in bytes, lasts at the pace of the last
// minutes, +Inf while the store does not grow.
func (t *Growth) Full(room float64) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.seen)
	if room <= 0 {
		return 0
	}
	if n < 2 {
		return math.Inf(1)
	}
	first, last := t.seen[0], t.seen[n-1]
	if last.used <= first.used {
		return math.Inf(1)
	}
	return room / (float64(last.used-first.used) / last.at.Sub(first.at).Seconds())
}
