package spool

import (
	"sync"
	"time"
)

// Clock is a wall clock that never runs backwards: neither when the machine's
// clock is set back, nor from one run of the program to the next when it is
// begun with the last time that the store has persisted. Set back, it goes on
// at its own pace from where it was.
type Clock struct {
	now func() time.Time

	mu     sync.Mutex
	seen   time.Time // what now said last
	last   time.Time // what Now answered last
	jumped time.Duration
}

// NewClock begins a clock at the larger of now's time and last. A nil now
// means time.Now.
func NewClock(now func() time.Time, last time.Time) *Clock {
	if now == nil {
		now = time.Now
	}
	seen := now()
	if seen.After(last) {
		last = seen.Round(0)
	}
	return &Clock{now: now, seen: seen, last: last}
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.now()
	// Sub uses the monotonic reading, which a set clock does not touch.
	if d := t.Sub(c.seen); d > 0 {
		c.last = c.last.Add(d)
	}
	c.seen = t
	if t.After(c.last) {
		c.jumped += t.Round(0).Sub(c.last)
		c.last = t.Round(0)
	}
	return c.last
}

// Jumped returns how far the clock has gone since it began beyond the time that
// has passed: somebody set the machine's clock ahead, or the machine slept. It
// never falls. What began before a jump ends that much later by this clock.
func (c *Clock) Jumped() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jumped
}
