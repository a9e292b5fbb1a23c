package idmemory

import (
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// freshness judges the age of what a memory does not know, as a store does: the
// newest created_at among the ids that may have been forgotten is its watermark,
// and a clock that is or was wrong makes nothing of today old.
type freshness struct {
	clock *spool.Clock

	mu        sync.Mutex // Guards all that follows.
	window    time.Duration
	newest    time.Time // The newest created_at that was accepted.
	forgotten time.Time // The watermark.
	taken     []taken   // Oldest first.
}

// taken is the newest created_at that was accepted in a part of the window.
type taken struct {
	since  time.Duration // By Reading.Passed.
	newest time.Time
}

func (f *freshness) setWindow(window time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.window = window
}

// stale returns why an event is not fresh, or nothing.
func (f *freshness) stale(created time.Time) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.clock.Read()
	for len(f.taken) > 0 && r.Passed-f.taken[0].since >= f.window {
		if t := f.taken[0].newest; t.After(f.forgotten) {
			f.forgotten = t
		}
		f.taken = f.taken[1:]
	}
	return spool.Freshness{Clock: r, Window: f.window, Newest: f.newest, Forgotten: f.forgotten}.Stale(created)
}

// took notes an event that was accepted.
func (f *freshness) took(created time.Time) {
	const parts = 8
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.clock.Read()
	passed := r.Passed
	if wall := r.Wall(); created.After(wall) && !wall.Before(spool.Earliest) {
		created = wall // Else one event of the future would make all that follow too old.
	}
	if n := len(f.taken); n == 0 || passed-f.taken[n-1].since >= f.window/parts {
		f.taken = append(f.taken, taken{since: passed})
	}
	if last := &f.taken[len(f.taken)-1]; created.After(last.newest) {
		last.newest = created
	}
	if created.After(f.newest) {
		f.newest = created
	}
}
