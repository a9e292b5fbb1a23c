package sqlite

import (
	"time"

	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// jumpAtLeast is how far the clock must be set ahead to be followed. Smaller steps are
// those of a clock that is kept right.
const jumpAtLeast = time.Second

// followClock moves the ends of all leases along when the clock was set ahead, or the
// machine slept: no time has passed for the workers that hold them. Otherwise all
// leases would run out at once, and every attempt under way would be made a second
// time. Due times stay where they are, so retries come early, which does no harm.
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

// displayDue returns a due time by the machine's clock, which is what people compare it
// with. The store's own may be ahead, where the machine's was once.
func (s *Store) displayDue(due int64) time.Time {
	r := s.clock.Read()
	return record.Time(due).Add(r.Wall().Sub(r.Now))
}
