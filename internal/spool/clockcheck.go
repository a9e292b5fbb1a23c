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
	mu sync.Mutex // guards all below
	// created is the signed time of the last event that was accepted as it came, and
	// passed the Reading.Passed of then.
	created time.Time
	passed  time.Duration
}

// Note remembers the signed time of an event that was accepted at r.
func (c *ClockCheck) Note(created time.Time, r Reading) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.created, c.passed = created, r.Passed
}

// Off returns how far the machine's clock is ahead, or (below zero) behind, where that
// is more than an event can have been on its way; else 0. It follows the clock when
// that is set right, without another event.
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
