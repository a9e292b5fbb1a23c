package minutes

import (
	"sync"
	"sync/atomic"
	"time"
)

// slots is Kept rounded up to a power of two: a minute that is shown is never one that
// begins again.
const slots = 64

// series counts a few things in each minute, and how long they took.
type series struct {
	hour *Hour
	n    int // things that are counted

	// mu guards the turn to a new minute: that of counts, took and times.
	mu sync.Mutex
	// minute is the number of the minute that a slot is of, and one; 0 for none.
	minute [slots]atomic.Int64
	// counts has n numbers for each slot.
	counts []atomic.Uint32
	// took has the percentiles of the minutes whose times are gone, in microseconds.
	took [slots]struct{ p50, p99 atomic.Uint32 }
	// times are of the present minute and the one before it.
	times [2]histogram
}

func newSeries(h *Hour, n int) series {
	return series{hour: h, n: n, counts: make([]atomic.Uint32, slots*n)}
}

// at returns the number of a thing in a minute, which has begun.
func (s *series) at(minute int64, thing int) *atomic.Uint32 {
	i := minute % slots
	if s.minute[i].Load() != minute+1 {
		s.turn(minute)
	}
	return &s.counts[int(i)*s.n+thing]
}

// add counts a thing that has ended now.
func (s *series) add(thing int) { s.at(s.hour.minute(), thing).Add(1) }

// addTook counts a thing that ended when so much time had passed since the hour began, and
// took so long.
func (s *series) addTook(passed time.Duration, thing int, took time.Duration) {
	m := int64(max(passed, 0) / time.Minute)
	s.at(m, thing).Add(1)
	if t := &s.times[m%2]; t.minute.Load() == m+1 {
		t.add(took)
	}
}

// turn begins a minute, unless that was done.
func (s *series) turn(minute int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := minute % slots
	if s.minute[i].Load() >= minute+1 {
		return
	}
	t := &s.times[minute%2]
	if old := t.minute.Load() - 1; old >= 0 {
		kept := &s.took[old%slots]
		kept.p50.Store(t.percentile(50))
		kept.p99.Store(t.percentile(99))
		t.minute.Store(0)
	}
	t.clear()
	t.minute.Store(minute + 1)
	for thing := range s.n {
		s.counts[int(i)*s.n+thing].Store(0)
	}
	// Last: who sees it counts.
	s.minute[i].Store(minute + 1)
}

// read returns how often a thing was counted in each minute of a view.
func (s *series) read(v View, thing int) []int64 {
	all := make([]int64, 0, Kept)
	for m := v.first; m <= v.last; m++ {
		n := int64(0)
		if i := m % slots; s.minute[i].Load() == m+1 {
			n = int64(s.counts[int(i)*s.n+thing].Load())
		}
		all = append(all, n)
	}
	return all
}

// Took are percentiles of how long things took, for each minute of a view. It is 0 where
// there was nothing.
type Took struct{ P50, P99 []time.Duration }

// Took returns how long it took in each minute of a view.
func (s *series) Took(v View) (t Took) {
	s.mu.Lock() // A minute's times move on a turn.
	defer s.mu.Unlock()
	for m := v.first; m <= v.last; m++ {
		var p50, p99 uint32
		switch i, h := m%slots, &s.times[m%2]; {
		case s.minute[i].Load() != m+1:
		case h.minute.Load() == m+1:
			p50, p99 = h.percentile(50), h.percentile(99)
		default:
			p50, p99 = s.took[i].p50.Load(), s.took[i].p99.Load()
		}
		t.P50 = append(t.P50, time.Duration(p50)*time.Microsecond)
		t.P99 = append(t.P99, time.Duration(p99)*time.Microsecond)
	}
	return t
}
