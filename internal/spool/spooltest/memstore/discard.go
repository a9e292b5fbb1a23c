package memstore

import (
	"context"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func (s *store) Discard(ctx context.Context, seq int64, route string) (int, error) {
	return do(ctx, s, func() (n int, err error) {
		err = s.update(!s.faults[DiscardsLazily], func(tx *tx) error {
			n = 0
			ev := tx.im.events[seq]
			if ev == nil {
				return spool.ErrNotFound
			}
			only := tx.im.names[spool.RouteKey{Source: ev.Source, Route: route}]
			if route != "" && only == 0 {
				return spool.ErrNotFound
			}
			for _, d := range tx.im.deliveries {
				if d.seq != seq || only != 0 && d.queue != only || d.state != spool.Dead && !tx.faults[DiscardsWaiting] {
					continue
				}
				d.state, d.ended = spool.Discarded, tx.now
				tx.setDelivery(d)
				n++
			}
			return nil
		})
		return n, err
	})
}

func (s *store) DiscardOdd(ctx context.Context, entry int64) error {
	_, err := do(ctx, s, func() (struct{}, error) {
		return struct{}{}, s.update(!s.faults[DiscardsLazily], func(tx *tx) error {
			if _, ok := tx.im.odd[entry]; !ok {
				return spool.ErrNotFound
			}
			tx.put(func(im *image) { delete(im.odd, entry) })
			return nil
		})
	})
	return err
}
