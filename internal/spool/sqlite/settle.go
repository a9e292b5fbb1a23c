package sqlite

import (
	"context"
	"fmt"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// Settle implements spool.Store. It is not fsynced by itself (see syncWithin): a
// settle that a power cut takes back repeats an attempt, which the contract allows.
func (s *Store) Settle(ctx context.Context, st spool.Settlement) error {
	switch st.State {
	case spool.Delivered, spool.Retrying, spool.Dead:
	default:
		return fmt.Errorf("settling delivery: state %v ends no lease", st.State)
	}
	return s.do(ctx, false, 0, func(w *writer) error {
		mine := w.lookupLease(st.Lease)
		if mine == nil {
			return refuse(spool.ErrLeaseLost)
		}
		return w.settle(mine, st)
	})
}

// settle ends a lease with an outcome and its attempt. The log of a delivery is read
// only where there is one: a first attempt that succeeds needs no query.
func (w *writer) settle(l *lease, st spool.Settlement) error {
	var log []byte
	if l.logged {
		var err error
		if log, err = w.logOf(l.number); err != nil {
			return err
		}
	}
	st.Attempt.Replay = int(l.replay)
	attempts := l.attempts
	if !st.Attempt.Free {
		attempts++
	}
	// What has ended is not due any more. Its column then holds the age at which it
	// ended, by which retention goes; ended is the time to show to people.
	due, ended, reason := w.age, w.wall(), ""
	w.end(l)
	switch st.State {
	case spool.Retrying:
		due, ended = record.Nanos(st.Due), 0
		w.queue(l.route, retrying, due, l.key)
	case spool.Dead:
		reason = st.Reason
		l.route.dead++
	}
	err := w.q.settle.int(l.number).int(int64(st.State)).int(due).int(attempts).
		int(ended).text(reason).blob(record.AppendAttempt(log, st.Attempt)).exec()
	if err != nil || st.State == spool.Retrying {
		return err
	}
	return w.promote(l.route, l.key)
}

// Redeliver implements spool.Store.
func (s *Store) Redeliver(ctx context.Context, seq int64, to spool.RouteWish) (int, error) {
	n := 0
	err := s.do(ctx, true, 0, func(w *writer) error {
		var err error
		n, err = w.redeliver(seq, to)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// storedDelivery is a delivery as its row says, for work on all those of an event.
type storedDelivery struct {
	number, key, state, replay, fence, due, attempts int64
	route                                            *route
}

// deliveries returns those of an event in the order of their numbers.
func (w *writer) deliveries(seq int64) ([]storedDelivery, error) {
	var all []storedDelivery
	q := w.q.ofEvent.int(seq << ordinalBits).int(seq<<ordinalBits | maxOrdinal)
	err := q.each(func() error {
		rt := w.routes[q.ColumnInt64(1)]
		if rt == nil {
			return fmt.Errorf("delivery %d: its route is missing", q.ColumnInt64(0))
		}
		all = append(all, storedDelivery{
			number: q.ColumnInt64(0), route: rt, state: q.ColumnInt64(2),
			replay: q.ColumnInt64(3), fence: q.ColumnInt64(4), due: q.ColumnInt64(5), attempts: q.ColumnInt64(6), key: q.ColumnInt64(7),
		})
		return nil
	})
	return all, err
}

// redeliver makes the next replay of what has ended, for one route or for all. A
// route that the event was never sent to gets a delivery of its own, whose number is
// the next of the event.
func (w *writer) redeliver(seq int64, to spool.RouteWish) (int, error) {
	src, err := w.sourceOf(seq)
	if err != nil {
		return 0, err
	}
	if src == nil {
		return 0, refuse(spool.ErrNotFound)
	}
	var only *route
	if to.Route != "" {
		if only, err = w.route(src, to.Route); err != nil {
			return 0, err
		}
	}
	all, err := w.deliveries(seq)
	if err != nil {
		return 0, err
	}
	n, found, last := 0, false, int64(-1)
	for _, d := range all {
		last = d.number & maxOrdinal
		if only != nil && d.route != only {
			continue
		}
		found = true
		if d.state != delivered && d.state != dead && d.state != discarded {
			continue
		}
		if d.state == dead {
			d.route.dead--
		}
		state, err := w.await(d.route, requeued, w.now, d.key)
		if err != nil {
			return 0, err
		}
		// What has ended keeps the number of a queue that was taken over until now.
		if err := w.q.replay.int(d.number).int(state).int(w.now).int(d.route.id).exec(); err != nil {
			return 0, err
		}
		n++
	}
	if only == nil || found {
		return n, nil
	}
	if last == maxOrdinal {
		return 0, refuse(fmt.Errorf("redelivering event: it has %d deliveries already", last+1))
	}
	number := seq<<ordinalBits | (last + 1)
	key := spool.KeyHash(to.Key)
	state, err := w.await(only, requeued, w.now, key)
	if err != nil {
		return 0, err
	}
	return 1, w.q.extra.int(number).int(only.id).int(state).int(w.now).int(key).exec()
}

// sourceOf returns the source of an event, or nil where there is no such event.
func (w *writer) sourceOf(seq int64) (*source, error) {
	id := int64(0)
	if w.q.eventSource.int(seq).next() {
		id = w.q.eventSource.ColumnInt64(0)
	}
	err := w.q.eventSource.end()
	for _, src := range w.sources {
		if src.id == id {
			return src, err
		}
	}
	return nil, err
}
