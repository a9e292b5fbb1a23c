package sqlite

import (
	"context"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Discard implements spool.Operator.
func (s *Store) Discard(ctx context.Context, seq int64, name string) (int, error) {
	n := 0
	err := s.do(ctx, true, 0, func(w *writer) (err error) {
		n, err = w.discard(seq, name)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// discard ends the dead letters of an event, for one route or for all. Their rows
// stay until the event is old enough, so that the log shows what was discarded.
func (w *writer) discard(seq int64, name string) (n int, err error) {
	src, err := w.sourceOf(seq)
	if err != nil {
		return 0, err
	}
	if src == nil {
		return 0, refuse(spool.ErrNotFound)
	}
	only := w.names[routeName{src.id, name}]
	if name != "" && only == nil {
		return 0, refuse(spool.ErrNotFound)
	}
	all, err := w.deliveries(seq)
	if err != nil {
		return 0, err
	}
	for _, d := range all {
		if d.state != dead || only != nil && d.route != only {
			continue
		}
		d.route.dead--
		w.touch(d.route, false)
		if err := w.q.discard.int(d.number).int(w.wall()).exec(); err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// DiscardOdd implements spool.Operator. An operator names the entry alone, which is
// found without its source.
func (s *Store) DiscardOdd(ctx context.Context, entry int64) error {
	return s.do(ctx, true, 0, func(w *writer) error {
		size := int64(-1)
		if w.q.anyOddSize.int(entry).next() {
			size = w.q.anyOddSize.ColumnInt64(0)
		}
		if err := w.q.anyOddSize.end(); err != nil {
			return err
		}
		if size < 0 {
			return refuse(spool.ErrNotFound)
		}
		return w.dropOdd(entry, size)
	})
}
