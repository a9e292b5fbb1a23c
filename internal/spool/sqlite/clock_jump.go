package sqlite

import "time"

// jumpAtLeast is what the clock must be set ahead by to be followed. Smaller
// steps are those of a clock that is kept right.
const jumpAtLeast = time.Second

// followClock moves the ends of all leases along when the clock was set ahead:
// their holders are at work, and no time has passed for them. Else every attempt
// under way would be made a second time.
func (w *writer) followClock() error {
	by := w.clock.Jumped - w.jumpFollowed
	if by < jumpAtLeast {
		return nil
	}
	w.jumpFollowed += by
	w.jumpAge = w.age
	for _, l := range w.leases {
		l.until += dur(by)
		l.route.untilExact = false
		w.touch(l.route, false)
		if err := w.q.extend.int(l.number).int(l.until).exec(); err != nil {
			return err
		}
	}
	for _, rt := range w.routes {
		rt.leaseEnd()
	}
	return nil
}

// displayDue is a time to come as people see it, whose clock the store's may be ahead
// of.
func (s *Store) displayDue(due int64) time.Time {
	r := s.clock.Read()
	return timeOf(due).Add(r.Wall().Sub(r.Now))
}
