package idmemory

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// A clock that is ahead finds nothing of today old, and what was forgotten is
// never fresh, by no clock.
func TestFreshnessOfAMemory(t *testing.T) {
	t.Parallel()
	const window = 24 * time.Hour
	real := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	now := real
	f := &freshness{clock: spool.NewClock(func() time.Time { return now }, time.Time{}), window: window}
	want := func(what string, created time.Time, stale bool) {
		t.Helper()
		if why, err := f.stale(created); err != nil || (why != "") != stale {
			t.Errorf("%s: %q, %v", what, why, err)
		}
	}
	want("old, first of all", real.Add(-25*time.Hour), true)
	want("of today", real, false)
	f.took(real.Add(-time.Hour))
	f.took(real.Add(1000 * time.Hour)) // One of the future spoils nothing.
	want("still of today", real.Add(-time.Hour), false)
	now = real.Add(23 * time.Hour)
	want("nearly a day later", real.Add(time.Hour), false)
	now = real.Add(25 * time.Hour)
	want("a copy, a day later", real, true)
	want("of that day", now, false)
	want("between", real.Add(time.Minute), false)
	now = real.Add(-48 * time.Hour)
	want("a copy, with the clock set back", real, true)
}
