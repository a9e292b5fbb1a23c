package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// Settle implements spool.Store.
func (s *Store) Settle(ctx context.Context, st spool.Settlement) error {
	switch st.State {
	case spool.Delivered, spool.Retrying, spool.Dead:
	default:
		return fmt.Errorf("settling delivery: state %v ends no lease", st.State)
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.exit()
	return s.settle(ctx, st)
}

// settle is Settle for those who have entered.
func (s *Store) settle(ctx context.Context, st spool.Settlement) error {
	mine := s.leases.find(st.Lease)
	if mine == nil {
		var err error
		if mine, err = s.readLease(ctx, st.Lease); err != nil {
			return err
		}
		if mine == nil {
			return spool.ErrLeaseLost
		}
	}
	st.Attempt.Replay = int(mine.replay)
	e := &ending{
		number: mine.number, fence: mine.fence, state: int16(st.State), due: nanos(st.Due),
		counted: !st.Attempt.Free, log: record.AppendAttempt(mine.log, st.Attempt),
	}
	if st.State == spool.Dead {
		e.reason = st.Reason
	}
	by := s.settles
	if mine.key != 0 && st.State != spool.Retrying {
		// It may have to wait for the lock of its key: those without one do not wait along.
		e.of, by = keyed{mine.route, mine.key}, s.ordered
	}
	if err := by.submit(ctx, []*ending{e}); err != nil {
		return err
	}
	s.leases.drop(mine)
	if e.lost {
		return spool.ErrLeaseLost
	}
	return nil
}

// readLease reads a lease that this process does not remember, nil where it is lost.
func (s *Store) readLease(ctx context.Context, l spool.Lease) (mine *lease, err error) {
	err = s.reads.run(ctx, true, func() *trip {
		t := s.relaxedly()
		mine = nil
		t.do(`SELECT route, coalesce(key,0), attempts, replay, log FROM @.deliveries WHERE number=$1 AND fence=$2 AND state=2`, l.Delivery, l.Fence).
			Query(func(rows pgx.Rows) error {
				for rows.Next() {
					mine = &lease{number: l.Delivery, fence: l.Fence}
					if err := rows.Scan(&mine.route, &mine.key, &mine.attempts, &mine.replay, &mine.log); err != nil {
						return err
					}
				}
				return rows.Err()
			})
		return t
	})
	return mine, err
}

// Extend implements spool.Store. It is not flushed: a lease that a crash takes back runs
// out earlier.
func (s *Store) Extend(ctx context.Context, all []spool.Lease, d time.Duration) ([]spool.Lease, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.exit()
	ends := make([]*ending, len(all))
	for i, l := range all {
		ends[i] = &ending{number: l.Delivery, fence: l.Fence, state: extended, due: dur(d)}
	}
	if err := s.settles.submit(ctx, ends); err != nil {
		return nil, err
	}
	var lost []spool.Lease
	for i, e := range ends {
		if e.lost {
			lost = append(lost, spool.Lease{Delivery: all[i].Delivery, Fence: all[i].Fence})
		}
	}
	return lost, nil
}

// Release implements spool.Store. It is durable, because what was given back counts no
// attempt.
func (s *Store) Release(ctx context.Context, all []spool.Lease) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.exit()
	return s.release(ctx, all)
}

func (s *Store) release(ctx context.Context, all []spool.Lease) error {
	ends := make([]*ending, len(all))
	for i, l := range all {
		ends[i] = &ending{number: l.Delivery, fence: l.Fence, state: released, durable: true}
	}
	err := s.settles.submit(ctx, ends)
	for _, l := range all {
		if mine := s.leases.find(l); mine != nil {
			s.leases.drop(mine)
		}
	}
	return err
}
