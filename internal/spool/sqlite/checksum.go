package sqlite

import (
	"context"
	"errors"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

const reasonDamaged = "stored event is damaged"

// isDamage reports whether err is about the bytes of what was read, and not about the
// reading.
func isDamage(err error) bool {
	return errors.Is(err, record.ErrDamaged) || errors.Is(err, sqlite3.CORRUPT)
}

// settleDamaged makes dead letters of leased deliveries whose events cannot be read,
// and returns the others. A damaged event is logged and shown as one, and keeps nothing
// else waiting: left in its queue it would be the oldest there for ever.
func (s *Store) settleDamaged(ctx context.Context, ds []spool.Delivery) ([]spool.Delivery, error) {
	good := ds[:0:0]
	var dead []spool.Lease
	for _, d := range ds {
		if d.Event != nil {
			good = append(good, d)
			continue
		}
		dead = append(dead, d.Lease)
		s.log.Error("a stored event is damaged; its delivery is a dead letter",
			"event", d.Lease.Delivery>>ordinalBits, "source", d.Route.Source, "route", d.Route.Route)
	}
	if len(dead) == 0 {
		return ds, nil
	}
	err := s.submit(ctx, true, 0, func(w *writer) error {
		for _, l := range dead {
			mine := w.lookupLease(l)
			if mine == nil {
				continue
			}
			st := spool.Settlement{
				Lease: l, State: spool.Dead, Reason: reasonDamaged,
				Attempt: spool.Attempt{N: int(mine.attempts) + 1, Start: w.clock.Wall(), Error: reasonDamaged, Free: true},
			}
			if err := w.settle(mine, st); err != nil {
				return err
			}
		}
		return nil
	})
	return good, err
}
