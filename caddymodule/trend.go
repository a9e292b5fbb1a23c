package caddymodule

import (
	"math"
	"sync"
	"time"
)

// trend is how the store's size has moved in the last minutes.
type trend struct {
	mu   sync.Mutex
	seen []sight // oldest first
}

type sight struct {
	at   time.Time
	used int64
}

const (
	trendEvery = 10 * time.Second
	trendKept  = 30
)

func (t *trend) add(at time.Time, used int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.seen); n > 0 && at.Sub(t.seen[n-1].at) < trendEvery {
		return
	}
	t.seen = append(t.seen, sight{at, used})
	if len(t.seen) > trendKept {
		t.seen = t.seen[1:]
	}
}

// full is how long the room lasts, in seconds.
func (t *trend) full(room float64) float64 {
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
