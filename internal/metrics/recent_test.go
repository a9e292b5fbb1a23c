package metrics

import (
	"testing"
	"time"
)

func TestRecent(t *testing.T) {
	t.Parallel()
	var y Recent
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	y.Add(5) // Before the first note.
	if got := y.LastMinute(now); got != 5 {
		t.Errorf("at first: %d, want 5", got)
	}
	for s := range 180 { // 2 a second.
		now = now.Add(time.Second)
		y.Add(2)
		y.Note(now)
		if s == 29 {
			if got := y.LastMinute(now); got != 65 {
				t.Errorf("after half a minute: %d, want 65", got)
			}
		}
	}
	if got := y.LastMinute(now); got < 118 || got > 122 {
		t.Errorf("in the last minute: %d, want 120", got)
	}
	if len(y.seen) > 62 {
		t.Errorf("%d notes are kept", len(y.seen))
	}
	if got := y.LastMinute(now.Add(time.Hour)); got != 0 {
		t.Errorf("after an hour without events: %d", got)
	}
}

func TestGrowth(t *testing.T) {
	t.Parallel()
	at := time.Unix(1e9, 0)
	var tr Growth
	full := func(room, want float64) {
		t.Helper()
		if got := tr.Full(room); got != want {
			t.Errorf("full in %v, want %v", got, want)
		}
	}
	inf := 1 / zero
	full(100, inf)
	tr.Add(at, 1000)
	full(100, inf)
	tr.Add(at.Add(time.Second), 5000) // Too soon to count.
	tr.Add(at.Add(10*time.Second), 1100)
	full(100, 10)
	full(0, 0)
	tr.Add(at.Add(20*time.Second), 900)
	full(100, inf)
	for n := range 100 {
		tr.Add(at.Add(time.Duration(30+10*n)*time.Second), 1000)
	}
	if len(tr.seen) != growthKept {
		t.Errorf("%d sights are kept", len(tr.seen))
	}
}

var zero float64

func TestBurst(t *testing.T) {
	t.Parallel()
	at := time.Unix(1e9, 0)
	var b Burst
	count := func(n int, at time.Time) (told int) {
		for range n {
			if b.Add(at) {
				told++
			}
		}
		return told
	}
	for i, c := range []struct {
		n     int
		after time.Duration
		told  int
	}{
		{burstSize - 1, 0, 0},
		{burstSize - 1, burstWithin + 1, 0},        // Too slow.
		{1, burstWithin + 2, 1},                    // The fiftieth.
		{1000, burstWithin + 3, 0},                 // Told already.
		{burstSize - 1, 2*burstWithin + 5, 0},      // Within the quiet.
		{burstSize, 2*burstWithin + burstQuiet, 1}, // After it.
	} {
		if got := count(c.n, at.Add(c.after)); got != c.told {
			t.Errorf("step %d: told %d times, want %d", i, got, c.told)
		}
	}
}
