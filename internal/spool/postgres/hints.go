package postgres

import (
	"math"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// passedFor is how long a delivery that the end of another of its key has let go may
	// wait before nothing new is born running in front of it.
	passedFor = 500 * time.Millisecond
	// maxPassed is how many such deliveries a route remembers.
	maxPassed = 64
)

// hint is when a route has something to lease. It decides nothing but whether a delivery
// may be born running, and when watchers are woken.
type hint struct {
	// due is the earliest due time by now, until the earliest end of a lease by age;
	// never for none. What passed has does not count for due.
	due, until int64
	// passed are deliveries that the end of another of their key has just let go here, by
	// their numbers: since when, by now. One that waits lets new ones of other keys start
	// for a moment: else each would have them, and all behind them, go through the store.
	passed map[int64]int64
	// waits is how many deliveries are due at most, besides those that passed: uncounted where
	// it is not known.
	waits int
	// taken is the version of due, and 1, as of which a lease that is under way takes all
	// that is due, 0 for none. What is being handed out keeps nothing new from starting:
	// else all that comes meanwhile needs a lease in its turn, and so on.
	taken int
	// version is that of the changes made here, so that a reading that began before
	// one is not believed.
	version hintVersion
}

// uncounted is more than any lease takes.
const uncounted = math.MaxInt

// hintVersion counts the changes of a hint's due and until.
type hintVersion struct{ due, until int }

// at returns when something is due, by now.
func (h hint) at(r reading) int64 {
	if h.until == never {
		return h.due
	}
	return min(h.due, h.until-r.age+r.now)
}

// hintOf changes the hint of a route, and returns the names that lead to it.
func (s *Store) hintOf(id int64, change func(h *hint)) (names []spool.RouteKey) {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	if rt := c.routes[id]; rt != nil {
		change(&rt.hint)
		names = rt.names
	}
	return names
}

// tell wakes the watchers of a route, once its hint is changed.
func (s *Store) tell(id int64, change func(h *hint)) {
	for _, k := range s.hintOf(id, change) {
		s.watch.Notify(k)
	}
}

// noteDue notes that something of a route is due at due, by now.
func (s *Store) noteDue(id, due int64) { s.tell(id, func(h *hint) { h.isDue(due) }) }

func (h *hint) isDue(due int64) {
	if h.due == never {
		h.waits = 0
	}
	if h.waits != uncounted {
		h.waits++
	}
	h.due = min(h.due, due)
	h.version.due++
}

// noteWaits is noteDue for a delivery that this process has had.
func (s *Store) noteWaits(id, number, due int64) {
	s.tell(id, func(h *hint) {
		delete(h.passed, number)
		h.isDue(due)
	})
}

// noteUntil notes that a lease of a route may end at until, by age.
func (s *Store) noteUntil(id, until int64) {
	s.hintOf(id, func(h *hint) {
		h.until = min(h.until, until)
		h.version.until++
	})
}

// notePassed notes that a delivery was let go at now by the end of another of its key.
func (s *Store) notePassed(id, number, now int64) {
	s.tell(id, func(h *hint) {
		h.dropPassed(now)
		if len(h.passed) >= maxPassed {
			h.isDue(now)
			return
		}
		if h.passed == nil {
			h.passed = map[int64]int64{}
		}
		h.passed[number] = now
	})
}

// dropPassed forgets those that have waited for long enough to count: the next reading
// finds them.
func (h *hint) dropPassed(now int64) {
	for number, since := range h.passed {
		if now-since > int64(passedFor) {
			delete(h.passed, number)
		}
	}
}

// passed returns the deliveries that do not count at r, of one route or, for 0, of all.
func (s *Store) passed(id int64, r reading) []int64 {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	all := []int64{}
	for at, rt := range c.routes {
		if rt == nil || id != 0 && at != id {
			continue
		}
		rt.hint.dropPassed(r.now)
		for number := range rt.hint.passed {
			all = append(all, number)
		}
	}
	return all
}

// notLetGo forgets that those were let go which have been leased.
func (s *Store) notLetGo(id int64, found []leased) {
	s.hintOf(id, func(h *hint) {
		for i := range found {
			delete(h.passed, found[i].number)
		}
	})
}

// mayStart reports whether nothing of a route is due at r, and it is not held here.
func (s *Store) mayStart(id int64, r reading) bool {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	rt := c.routes[id]
	if rt == nil || rt.byHand != nil || rt.holds[s.me] != nil {
		return false
	}
	h := rt.hint
	if h.taken == h.version.due+1 {
		h.due = never
	}
	return h.at(r) > r.now
}

// take notes that a lease of at most n deliveries is under way, which began at a version.
// free ends that.
func (s *Store) take(id int64, began hintVersion, n int) {
	s.hintOf(id, func(h *hint) {
		if h.taken = 0; h.version.due == began.due && h.waits != uncounted && h.waits+len(h.passed) <= n {
			h.taken = began.due + 1
		}
	})
}

func (s *Store) free(id int64) { s.hintOf(id, func(h *hint) { h.taken = 0 }) }

// watched returns the numbers of the routes whose hints a beat reads: those that are
// served here, and those of which nothing is known yet.
func (s *Store) watched() []int64 {
	all := s.served()
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, rt := range c.routes {
		if rt != nil && rt.id == id && rt.hint.due == math.MinInt64 {
			all = append(all, id)
		}
	}
	return all
}

// mayHaveRunOut reports whether a lease of the route may have run out.
func (s *Store) mayHaveRunOut(id int64) bool {
	age := s.clock.read().age
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	rt := c.routes[id]
	return rt != nil && (rt.hint.until <= age || rt.hint.due < 0)
}

// hintVersion and setHint bracket a reading of when a route is due: each of the two times
// counts unless this process has changed it since.
func (s *Store) hintVersion(id int64) (v hintVersion) {
	s.hintOf(id, func(h *hint) { v = h.version })
	return v
}

// hintVersions returns the versions of all hints.
func (s *Store) hintVersions() map[int64]hintVersion {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[int64]hintVersion, len(c.routes))
	for id, rt := range c.routes {
		if rt != nil {
			all[id] = rt.hint.version
		}
	}
	return all
}

func (s *Store) setHint(id int64, began hintVersion, due, until int64) {
	s.hintOf(id, func(h *hint) {
		switch {
		case due != never:
			h.waits = uncounted
		case h.version.due == began.due:
			h.waits = 0
		}
		if h.version.due != began.due {
			due = min(due, h.due)
		}
		if h.version.until != began.until {
			until = min(until, h.until)
		}
		h.due, h.until = due, until
	})
}
