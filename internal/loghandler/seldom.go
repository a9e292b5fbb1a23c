package loghandler

import (
	"sync"
	"time"
)

// Seldom bounds a line of the log that strangers can cause.
type Seldom struct {
	// Every is the least time between two such lines.
	Every time.Duration

	mu   sync.Mutex
	last time.Time // When the log last had the line; guarded by mu.
	n    int       // Causes since then; guarded by mu.
}

// Add counts a cause. It reports whether the log is to have a line of it now, and of
// how many causes.
func (s *Seldom) Add(now time.Time) (n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if !s.last.IsZero() && now.Sub(s.last) < s.Every {
		return s.n, false
	}
	n, s.n, s.last = s.n, 0, now
	return n, true
}
