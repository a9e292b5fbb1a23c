package deliver

import (
	"sync/atomic"
	"time"
)

// storeClock is how far the store's clock is ahead of the machine's, as the leases
// show it: a lease that is asked for ends LeaseFor after the store's time then. A
// shared store's clock is its database's, which may be hours off; what is compared
// with it is never compared with the machine's.
type storeClock struct {
	// ahead is the difference in nanoseconds, too large by the time that the lease
	// took, once known is set.
	ahead atomic.Int64
	known atomic.Bool
}

// note takes the difference from a new lease.
func (c *storeClock) note(j *job) {
	if !j.Until.IsZero() {
		c.ahead.Store(int64(j.Until.Sub(j.got) - LeaseFor))
		c.known.Store(true)
	}
}

// machine returns the machine's time when the store's is at, and reports whether that
// is known.
func (c *storeClock) machine(at time.Time) (t time.Time, known bool) {
	return at.Add(-time.Duration(c.ahead.Load())), c.known.Load()
}

// storeNow returns the store's time when the machine's is now. The clock of a store
// of this process is the machine's, but never runs backwards, so it may be ahead; the
// end of the lease shows by how much. That of a shared store may be behind too.
func (j *job) storeNow(now time.Time) time.Time {
	if j.Until.IsZero() {
		return now
	}
	t := j.Until.Add(now.Sub(j.got) - LeaseFor)
	if shared := j.worker != nil && j.worker.d.shared != nil; shared || t.After(now) {
		return t
	}
	return now
}
