package spool

import (
	"sync"
	"time"
)

// How far the machine's clock may be from the signed time of an event that has
// just come. The platform's last try comes 2 h 42 m 30 s after its first.
const (
	clockAheadAt  = 3 * time.Hour
	clockBehindAt = 5 * time.Minute
)

// ClockCheck compares the machine's clock with what the platform has signed. The
// zero value has seen nothing.
type ClockCheck struct {
	mu      sync.Mutex
	created time.Time // of the last event that was accepted as it came
	passed  time.Duration
}

// Note takes note of an accepted event.
func (c *ClockCheck) Note(created time.Time, r Reading) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.created, c.passed = created, r.Passed
}

// Off is how far the machine's clock is ahead, or (below zero) behind, where
// that is more than what can be the way of an event; else 0. It follows the
// clock when that is set right, without another event.
func (c *ClockCheck) Off(r Reading) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Machine.Before(Earliest) {
		return r.Machine.Sub(Earliest)
	}
	if c.created.IsZero() {
		return 0
	}
	off := r.Machine.Sub(c.created.Add(r.Passed - c.passed))
	if off > clockAheadAt || off < -clockBehindAt {
		return off
	}
	return 0
}
