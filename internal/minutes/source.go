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
	// last is when the last event was accepted, as the time since the hour began; 0 for
	// never.
	last atomic.Int64
}

// Accepted counts a new event, which was answered after that time.
func (s *Source) Accepted(took time.Duration) {
	s.addTook(accepted, took)
	s.last.Store(int64(time.Since(s.hour.began)))
}

// Duplicate counts a copy, which was answered after that time.
func (s *Source) Duplicate(took time.Duration) { s.addTook(duplicate, took) }

// Quarantined counts what was set aside, and answered after that time.
func (s *Source) Quarantined(took time.Duration) { s.addTook(quarantined, took) }

// Refused counts a refusal. A reason that the hour does not know is not counted.
func (s *Source) Refused(reason string) {
	if i, ok := s.hour.reason[reason]; ok {
		s.add(refusedFrom + i)
	}
}

// Last returns when the last event was accepted, zero for never.
func (s *Source) Last() (t time.Time) {
	if passed := s.last.Load(); passed > 0 {
		t = s.hour.wall(time.Duration(passed))
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
