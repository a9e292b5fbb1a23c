package postgres

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// Two times go through a store, and no machine of a member has a part in either.
//
// now is the database's, read at each beat and carried on by the monotonic clock between
// them. It never runs backwards: members save how far it has come, so that a failover
// to a server whose clock is behind goes on from there. By it retries are due.
//
// age is the time that members have seen pass: each carries it on by its monotonic
// clock, and takes over what another has come to. No clock that is set moves it, and
// while no member runs it stands. By it leases end, and what is stored grows old.

// clock tells both times.
type clock struct {
	c *spool.Clock
	// joined is when this process joined, by its machine. Only time since then counts.
	joined time.Time
	// ahead is how far the database's clock is ahead of the machine's, had nobody set
	// that since, in nanoseconds.
	ahead atomic.Int64

	mu sync.Mutex // guards all below
	// base is the age at the beginning of c, later raised to what others have come to.
	base int64
	// jumpAge is the age of the last jump of now, or of the beginning.
	jumpAge int64
	// jumped is Reading.Jumped as it was then.
	jumped time.Duration
}

// reading is both times at one moment, in nanoseconds.
type reading struct {
	spool.Reading
	now, age int64
}

// newClock returns a clock that begins at the database's time, or where the store had
// come to: last by its now, age by its age.
func newClock(now func() time.Time, server, last, age int64) *clock {
	k := &clock{joined: time.Now(), base: age, jumpAge: age}
	if now != nil {
		k.c = spool.NewClock(now, record.Time(last))
		return k
	}
	k.ahead.Store(server - k.joined.UnixNano())
	k.c = spool.NewClockOf(func() (time.Time, time.Duration) {
		elapsed := time.Since(k.joined)
		return k.joined.Round(0).Add(elapsed + time.Duration(k.ahead.Load())), elapsed
	}, record.Time(last))
	return k
}

// read reads both times.
func (k *clock) read() reading {
	r := k.c.Read()
	k.mu.Lock()
	defer k.mu.Unlock()
	age := k.base + int64(r.Passed)
	if r.Jumped-k.jumped >= jumpAtLeast {
		k.jumped, k.jumpAge = r.Jumped, age
	}
	return reading{Reading: r, now: r.Now.UnixNano(), age: age}
}

// jumpAtLeast is how far the clock must be set ahead to count as set. Smaller steps are
// those of a clock that is kept right.
const jumpAtLeast = time.Second

// follow takes over what the database said in the middle of a round trip that began at
// sent and took took: its time, and how far other members have come.
func (k *clock) follow(server int64, sent time.Time, took time.Duration, now, age int64) {
	k.ahead.Store(server - k.joined.UnixNano() - int64(sent.Sub(k.joined)+took/2))
	k.c.NotBefore(record.Time(now))
	r := k.read()
	k.mu.Lock()
	k.base += max(0, age-r.age)
	k.mu.Unlock()
}

// sinceJump returns how much time has passed since now jumped.
func (k *clock) sinceJump(r reading) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Duration(r.age - k.jumpAge)
}

// display returns a due time by the clock that people compare it with. The store's own
// may be ahead, where the database's was once.
func (k *clock) display(due int64) time.Time {
	r := k.c.Read()
	return record.Time(due).Add(r.Wall().Sub(r.Now))
}

// nanos and dur are the units of all stored times.
func nanos(t time.Time) int64   { return record.Nanos(t) }
func dur(d time.Duration) int64 { return int64(d) }
