package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func (s *store) Lease(ctx context.Context, p spool.Pick) (spool.Batch, error) {
	return do(ctx, s, func() (b spool.Batch, err error) {
		err = s.update(true, func(tx *tx) error {
			q := tx.im.names[p.Route]
			for _, d := range tx.pick(q, p) {
				if d.state == spool.Running {
					if d = d.cutShort(tx.now, "lease ran out"); s.faults[TakesOverFree] {
						d.attempts--
					}
				}
				b.Deliveries = append(b.Deliveries, tx.start(d, p.LeaseFor))
			}
			b.Next = tx.next(q)
			return nil
		})
		if err != nil {
			b = spool.Batch{}
		}
		return b, err
	})
}

// pick chooses the deliveries that a Pick asks for, in order.
func (tx *tx) pick(queue int64, p spool.Pick) []delivery {
	if h := tx.heldHere(queue); h != nil && h.ByHand && !tx.faults[LeasesHeld] {
		return nil
	}
	var found []delivery
	ends := p.UpTo > 0 && p.IgnoreDue && !tx.faults[PassesOn]
	for _, d := range tx.im.deliveries {
		if d.queue == queue && tx.free(d, p.IgnoreDue) && (!ends || d.number <= p.UpTo) {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, func(a, b delivery) int {
		if !p.IgnoreDue {
			if c := a.dueAt().Compare(b.dueAt()); c != 0 {
				return c
			}
		}
		return byEvent(a, b)
	})
	if tx.faults[LeasesNewest] {
		slices.Reverse(found)
	}
	if after, ok := tx.im.deliveries[p.After]; ok && p.IgnoreDue && !tx.faults[ProbesTheOldest] {
		i := slices.IndexFunc(found, func(d delivery) bool { return byEvent(d, after) > 0 })
		switch {
		case ends && i < 0:
			found = nil
		case ends:
			found = found[i:]
		case i > 0:
			found = append(found[i:], found[:i]...)
		}
	}
	return found[:min(max(p.N, 0), len(found))]
}

// free reports whether a delivery may be leased now, due or not where ignoreDue says so.
func (tx *tx) free(d delivery, ignoreDue bool) bool {
	if d.state == spool.Running && d.process != tx.process {
		switch {
		case tx.faults[ForgetsAbandoned]:
			return false
		case tx.faults[LeasesOfOthers]:
			return true
		}
	}
	return d.waiting(tx.now) && (ignoreDue || !d.dueAt().After(tx.now))
}

func byEvent(a, b delivery) int {
	return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.number, b.number))
}

// next returns when something of the queue is to be leased again.
func (tx *tx) next(queue int64) (next time.Time) {
	for _, d := range tx.im.deliveries {
		if d.queue != queue || d.finished() || d.behind {
			continue
		}
		if at := d.dueAt(); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// leased finds the delivery of a lease, if the lease is still good.
func (tx *tx) leased(l spool.Lease) (delivery, bool) {
	d, ok := tx.im.deliveries[l.Delivery]
	if tx.faults[SettlesUnfenced] {
		return d, ok
	}
	return d, ok && d.state == spool.Running && d.fence == l.Fence
}

func (s *store) Extend(ctx context.Context, leases []spool.Lease, by time.Duration) ([]spool.Lease, error) {
	return do(ctx, s, func() (lost []spool.Lease, err error) {
		err = s.update(true, func(tx *tx) error {
			for _, l := range leases {
				d, ok := tx.leased(l)
				if !ok {
					lost = append(lost, spool.Lease{Delivery: l.Delivery, Fence: l.Fence})
					continue
				}
				d.until = tx.now.Add(by)
				tx.setDelivery(d)
			}
			return nil
		})
		return lost, err
	})
}

func (s *store) Settle(ctx context.Context, st spool.Settlement) error {
	_, err := do(ctx, s, func() (struct{}, error) {
		return struct{}{}, s.update(!s.faults[SettlesLazily], func(tx *tx) error {
			d, ok := tx.leased(st.Lease)
			if !ok {
				return spool.ErrLeaseLost
			}
			log := d.log
			st.Attempt.Replay = d.replay
			d = d.attempted(st.Attempt)
			if s.faults[KeepsOldAttempts] && len(log) == spool.MaxAttempts {
				d.log = log
			}
			if s.faults[CountsFree] && st.Attempt.Free {
				d.attempts++
			}
			switch d.state = st.State; st.State {
			case spool.Retrying:
				d.due = st.Due
			case spool.Delivered:
				d.ended = tx.now
			case spool.Dead:
				d.ended, d.endedAge, d.reason = tx.now, tx.age, st.Reason
			default:
				return fmt.Errorf("settling delivery: state %v ends no lease", st.State)
			}
			tx.setDelivery(d)
			tx.promote(d)
			return nil
		})
	})
	return err
}

func (s *store) Release(ctx context.Context, leases []spool.Lease) error {
	_, err := do(ctx, s, func() (struct{}, error) {
		return struct{}{}, s.update(true, func(tx *tx) error {
			for _, l := range leases {
				d, ok := tx.leased(l)
				if !ok {
					continue
				}
				d.state, d.due = spool.Available, minTime(d.due, tx.now)
				if s.faults[CountsReleased] {
					d.attempts++
				}
				if tx.setDelivery(d); s.faults[ReleasesPlaces] && d.key != 0 {
					tx.yield(d)
				}
			}
			return nil
		})
	})
	return err
}
