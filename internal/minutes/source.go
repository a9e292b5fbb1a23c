package minutes

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// What is counted of a source. Reasons of refusals follow.
const (
	accepted = iota
	duplicate
	quarantined
	refusedFrom
)

// Source counts the requests of a source.
type Source struct {
	series
	// last is when the last event was accepted, to the hundredth of a second, in nanoseconds since the hour began, and
	// one; 0 for never.
	last atomic.Int64
}

// Accepted counts a new event, which came at a time of this process's clock and was
// answered after took: the caller has read the clock, which takes longer than the count.
func (s *Source) Accepted(came time.Time, took time.Duration) {
	passed := came.Sub(s.hour.began) + took
	s.addTook(passed, accepted, took)
	// A write that others wait for is not worth a hundredth of a second.
	if last := s.last.Load(); last == 0 || int64(passed)-last > int64(10*time.Millisecond) {
		s.last.Store(int64(passed) + 1)
	}
}

// Duplicate counts a copy, as Accepted does.
func (s *Source) Duplicate(came time.Time, took time.Duration) {
	s.addTook(came.Sub(s.hour.began)+took, duplicate, took)
}

// Quarantined counts what was set aside, as Accepted does.
func (s *Source) Quarantined(came time.Time, took time.Duration) {
	s.addTook(came.Sub(s.hour.began)+took, quarantined, took)
}

// Refused counts a refusal. A reason that the hour does not know is not counted.
func (s *Source) Refused(reason string) {
	if i, ok := s.hour.reason[reason]; ok {
		s.add(refusedFrom + i)
	}
}

// Last returns when the last event was accepted, zero for never.
func (s *Source) Last() (t time.Time) {
	if passed := s.last.Load(); passed > 0 {
		t = s.hour.wall(time.Duration(passed - 1))
	}
	return t
}

// Requests are the requests of a source, for each minute of a view.
type Requests struct{ Accepted, Duplicate, Quarantined, Refused []int64 }

// Read returns the requests of each minute of a view.
func (s *Source) Read(v View) Requests {
	r := Requests{
		Accepted: s.read(v, accepted), Duplicate: s.read(v, duplicate), Quarantined: s.read(v, quarantined),
		Refused: make([]int64, v.last-v.first+1),
	}
	for i := range s.hour.reasons {
		for m, n := range s.read(v, refusedFrom+i) {
			r.Refused[m] += n
		}
	}
	return r
}

// RefusedBy returns how many requests were refused in a view, by reason; not those that
// had none.
func (s *Source) RefusedBy(v View) map[string]int64 {
	by := map[string]int64{}
	for i, reason := range s.hour.reasons {
		for _, n := range s.read(v, refusedFrom+i) {
			by[reason] += n
		}
	}
	maps.DeleteFunc(by, func(_ string, n int64) bool { return n == 0 })
	return by
}

// Sum returns the sum of counts.
func Sum(counts []int64) (n int64) {
	for _, one := range counts {
		n += one
	}
	return n
}

// Names returns the sources that have counters, in their order.
func (h *Hour) Names() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.sources))
}
