package caddymodule

import (
	"testing"
	"time"
)

func TestTally(t *testing.T) {
	t.Parallel()
	var y tally
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	y.n.Add(5) // Before the first note.
	if got := y.lastMinute(now); got != 5 {
		t.Errorf("at first: %d, want 5", got)
	}
	for s := range 180 { // 2 a second.
		now = now.Add(time.Second)
		y.n.Add(2)
		y.note(now)
		if s == 29 {
			if got := y.lastMinute(now); got != 65 {
				t.Errorf("after half a minute: %d, want 65", got)
			}
		}
	}
	if got := y.lastMinute(now); got < 118 || got > 122 {
		t.Errorf("in the last minute: %d, want 120", got)
	}
	if len(y.seen) > 62 {
		t.Errorf("%d notes are kept", len(y.seen))
	}
	if got := y.lastMinute(now.Add(time.Hour)); got != 0 {
		t.Errorf("after an hour without events: %d", got)
	}
}
