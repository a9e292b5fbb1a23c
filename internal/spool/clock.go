package spool

import (
	"sync"
	"time"
)

// Earliest is a time before which this program did not exist: a machine whose
// clock says less has not learned the time yet.
var Earliest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Clock is a wall clock that never runs backwards: neither when the machine's
// clock is set back, nor from one run of the program to the next when it is
// begun with the last time that the store has persisted. Set back, it goes on
// at its own pace from where it was.
//
// What may go by age goes by Passed and not by Now: a clock that was wrong for a
// moment leaves Now ahead, while no time has passed.
type Clock struct {
	look func() (wall time.Time, elapsed time.Duration) // at the machine

	mu      sync.Mutex    // guards all below
	elapsed time.Duration // what look returned last
	last    time.Time     // what Now returned last
	// jumped and passed are those of the next Reading.
	jumped, passed time.Duration
}

// Reading is what a Clock shows at one moment.
type Reading struct {
	// Now is the time by which things are due. It is never before Machine.
	Now time.Time
	// Machine is what the machine's clock shows, right or wrong.
	Machine time.Time
	// Passed is how much time has passed since the clock began, as far as this
	// process has seen it pass: no setting of the machine's clock adds to it.
	Passed time.Duration
	// Jumped is how far Now has gone beyond Passed: the machine's clock was
	// set ahead, or the machine slept. It never falls. What began before a jump
	// ends that much later by Now.
	Jumped time.Duration
}

// Wall returns the time to show to people: the machine's, unless it has none.
func (r Reading) Wall() time.Time {
	if r.Machine.Before(Earliest) {
		return r.Now
	}
	return r.Machine
}

// Unset reports whether neither the machine nor the store has ever known the time.
func (r Reading) Unset() bool { return r.Now.Before(Earliest) }

// NewClock returns a clock that begins at the larger of now's time and last. A nil now
// means time.Now.
func NewClock(now func() time.Time, last time.Time) *Clock {
	if now == nil {
		now = time.Now
	}
	began := now()
	return NewClockOf(func() (time.Time, time.Duration) {
		t := now()
		// Sub uses the monotonic reading, which a set clock does not touch.
		return t.Round(0), t.Sub(began)
	}, last)
}

// NewClockOf returns a clock over another one, of which look returns what it shows and
// how much time has passed, whatever it was set to meanwhile.
func NewClockOf(look func() (wall time.Time, elapsed time.Duration), last time.Time) *Clock {
	wall, elapsed := look()
	if wall.After(last) {
		last = wall
	}
	return &Clock{look: look, elapsed: elapsed, last: last}
}

// Now returns the time.
func (c *Clock) Now() time.Time { return c.Read().Now }

// Read returns all that the clock knows.
func (c *Clock) Read() Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, elapsed := c.look()
	if d := elapsed - c.elapsed; d > 0 {
		c.last = c.last.Add(d)
		c.passed += d
	}
	c.elapsed = elapsed
	if wall.After(c.last) {
		c.jumped += wall.Sub(c.last)
		c.last = wall
	}
	return Reading{Now: c.last, Machine: wall, Passed: c.passed, Jumped: c.jumped}
}

// NotBefore has the clock show t at least, where others that share its time have come
// further.
func (c *Clock) NotBefore(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.last) {
		c.jumped += t.Sub(c.last)
		c.last = t
	}
}
