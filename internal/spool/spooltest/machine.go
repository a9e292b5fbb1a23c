package spooltest

import (
	"sync"
	"time"
	"unsafe"
)

// clock is a machine's clock that stands still until it is set.
type clock struct {
	mu     sync.Mutex
	t      time.Time     // what it says
	boot   time.Time     // with a monotonic reading
	passed time.Duration // since boot
}

func newClock() *clock {
	boot := time.Now()
	return &clock{t: epoch, boot: boot.Add(-time.Duration(boot.Nanosecond()))}
}

// machine returns now with a monotonic reading of the time that has passed.
func (c *clock) machine() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.boot.Add(c.passed)
	return wallAt(at, c.t.Sub(at.Round(0)))
}

// wallAt returns t with its wall clock set by whole seconds and its monotonic
// reading left alone, as the kernel does it and no function of package time.
func wallAt(t time.Time, by time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(int64(by/time.Second)) << 30
	return t
}

// jump sets the clock, while no time passes.
func (c *clock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// set lets the time up to t pass, or sets the clock back to t.
func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed += max(0, t.Sub(c.t))
	c.t = t
}

func (c *clock) add(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
	c.passed += d
	return c.t
}
