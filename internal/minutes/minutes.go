// Package minutes remembers, minute by minute, what a process did with events in its
// last hour: what each source took and refused, and what each route delivered.
//
// Guarantee: what is counted is in exactly one minute, and no minute has what another
// had. To count takes no lock but for the first count of a minute, and allocates
// nothing. Minutes are those of the monotonic clock since New, so that a wall clock that
// is set moves nothing.
//
// Limits: all of it is gone with the process. A source takes 7 KiB and a route 4 KiB,
// whatever happens to them, and until the process ends. Percentiles are those of
// buckets: never too low, at most an eighth too high. Of what is counted a minute late,
// they know nothing.
package minutes

import (
	"slices"
	"sync"
	"time"
)

// Kept is how many minutes are shown, the present one included.
const Kept = 60

// Hour is what happened in the last hour. It is safe for concurrent use.
type Hour struct {
	began   time.Time // with its monotonic reading
	reasons []string  // why a request may be refused
	reason  map[string]int

	mu      sync.Mutex // guards all that follows
	sources map[string]*Source
	routes  map[routeKey]*Route
	sampled int64 // the period of the last sample, see Due
}

type routeKey struct{ source, route string }

// New returns an hour that begins now. reasons are those for which a request may be
// refused.
func New(reasons ...string) *Hour {
	h := &Hour{
		began: time.Now(), reasons: slices.Clone(reasons), reason: map[string]int{},
		sources: map[string]*Source{}, routes: map[routeKey]*Route{}, sampled: -1,
	}
	for i, name := range h.reasons {
		h.reason[name] = i
	}
	return h
}

// minute returns the number of the present minute, 0 for the first.
func (h *Hour) minute() int64 { return int64(time.Since(h.began) / time.Minute) }

// Began returns when the hour was made, by the wall clock as it is now.
func (h *Hour) Began() time.Time { return h.wall(0) }

// wall returns when so much time had passed, by the wall clock as it is now.
func (h *Hour) wall(passed time.Duration) time.Time {
	now := time.Now()
	return now.Round(0).Add(passed - now.Sub(h.began)).UTC()
}

// View is a look at the minutes that are shown. All that is read through one view is of
// the same minutes.
type View struct {
	hour        *Hour
	first, last int64
}

// View returns the last Kept minutes, or as many as there are.
func (h *Hour) View() View {
	now := h.minute()
	return View{h, max(0, now-Kept+1), now}
}

// Times returns when each minute began, by the wall clock as it is now, oldest first.
func (v View) Times() []time.Time {
	began := v.hour.Began()
	all := make([]time.Time, 0, Kept)
	for m := v.first; m <= v.last; m++ {
		all = append(all, began.Add(time.Duration(m)*time.Minute))
	}
	return all
}

// Source returns the counters of a source, which are made at the first call.
func (h *Hour) Source(name string) *Source {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sources[name]
	if s == nil {
		s = &Source{series: newSeries(h, refusedFrom+len(h.reasons))}
		h.sources[name] = s
	}
	return s
}

// Route returns the counters of a route, which are made at the first call.
func (h *Hour) Route(source, route string) *Route {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := routeKey{source, route}
	r := h.routes[k]
	if r == nil {
		r = &Route{series: newSeries(h, routeCounts)}
		h.routes[k] = r
	}
	return r
}

// Has reports whether a route has counters.
func (h *Hour) Has(source, route string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.routes[routeKey{source, route}] != nil
}

// Due reports whether what waits in the routes is to be sampled: it returns true once in
// every period.
func (h *Hour) Due(period time.Duration) bool {
	n := int64(time.Since(h.began) / period)
	h.mu.Lock()
	defer h.mu.Unlock()
	if n == h.sampled {
		return false
	}
	h.sampled = n
	return true
}
