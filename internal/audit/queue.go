package audit

import (
	"log/slog"
	"sync"
)

// maxWaiting bounds what waits for slow handlers.
const maxWaiting = 256

// Queue hands events on in their order. What takes them may take its time, so that is
// done beside the caller, and what waits is bounded: the rest is dropped, and logged.
type Queue struct {
	hand func(name string, data map[string]any)
	log  *slog.Logger

	mu      sync.Mutex // Guards all that follows.
	waiting []emission // Oldest first, maxWaiting at most.
	busy    bool       // work runs.
	dropped int        // Since work was last done.
}

// emission is one event that waits.
type emission struct {
	name string
	data map[string]any
}

// NewQueue returns a queue that calls hand with each event, one at a time.
func NewQueue(hand func(name string, data map[string]any), log *slog.Logger) *Queue {
	return &Queue{hand: hand, log: log}
}

// Add returns at once.
func (q *Queue) Add(name string, data map[string]any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxWaiting {
		q.dropped++
		return
	}
	q.waiting = append(q.waiting, emission{name, data})
	if !q.busy {
		q.busy = true
		go q.work()
	}
}

// work ends when nothing waits.
func (q *Queue) work() {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			n := q.dropped
			q.busy, q.dropped = false, 0
			q.mu.Unlock()
			if n > 0 {
				q.log.Warn("Caddy events were dropped: their handlers are too slow", "dropped", n)
			}
			return
		}
		next := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		q.hand(next.name, next.data)
	}
}
