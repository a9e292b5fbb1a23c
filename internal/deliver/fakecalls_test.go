package deliver

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func (s *fakeStore) Accept(_ context.Context, in spool.Intake) (rc spool.Receipt, err error) {
	unlock, err := s.enter()
	if err != nil {
		return rc, err
	}
	rc.Verdict = spool.Accepted
	var due []spool.RouteKey
	for _, w := range in.Routes {
		k := spool.RouteKey{Source: in.Event.Source, Route: w.Route}
		q, now := s.queue(k), s.now()
		hasDue := false
		q.unfinished(func(r *row) bool {
			hasDue = r.waiting(now) && !r.dueAt().After(now)
			return !hasDue
		})
		r := &row{number: int64(len(s.rows) + 1), key: k, event: in.Event, state: spool.Available, came: now, due: now}
		s.rows[r.number] = r
		q.rows = append(q.rows, r)
		if w.Start && q.hold == nil && !hasDue {
			rc.Running = append(rc.Running, s.start(r, in.LeaseFor))
		} else {
			due = append(due, k)
		}
	}
	unlock()
	for _, k := range due {
		s.report(k)
	}
	return rc, nil
}

func (s *fakeStore) Lease(_ context.Context, p spool.Pick) (b spool.Batch, err error) {
	unlock, err := s.enter()
	if err != nil {
		return b, err
	}
	defer unlock()
	now, q := s.now(), s.queue(p.Route)
	if p.IgnoreDue {
		q.oldest(now, p, func(r *row) { b.Deliveries = append(b.Deliveries, s.start(r, p.LeaseFor)) })
	} else {
		for _, r := range q.due(now, p.N) {
			b.Deliveries = append(b.Deliveries, s.start(r, p.LeaseFor))
		}
	}
	q.unfinished(func(r *row) bool {
		if at := r.dueAt(); b.Next.IsZero() || at.Before(b.Next) {
			b.Next = at
		}
		return b.Next.After(now)
	})
	return b, nil
}

// due lists the n that fell due first, in that order. It need not look at rows that
// came after the last of those fell due.
func (q *fakeQueue) due(now time.Time, n int) (due []*row) {
	q.unfinished(func(r *row) bool {
		if len(due) == n && !r.came.Before(due[n-1].dueAt()) {
			return false
		}
		if r.waiting(now) && !r.dueAt().After(now) {
			at, _ := slices.BinarySearchFunc(due, r, func(a, b *row) int {
				return cmp.Or(a.dueAt().Compare(b.dueAt()), cmp.Compare(a.number, b.number))
			})
			due = slices.Insert(due, at, r)
			due = due[:min(len(due), n)]
		}
		return true
	})
	return due
}

// oldest calls f for as many as p asks for, oldest first behind p.After, and round
// to the beginning unless p ends at a number.
func (q *fakeQueue) oldest(now time.Time, p spool.Pick, f func(*row)) {
	n := 0
	pick := func(from, to int64) {
		q.unfinished(func(r *row) bool {
			if r.number > from && r.number <= to && r.waiting(now) {
				if n == p.N {
					return false
				}
				n++
				f(r)
			}
			return true
		})
	}
	if p.UpTo > 0 {
		pick(p.After, p.UpTo)
		return
	}
	pick(p.After, 1<<62)
	if p.After > 0 {
		pick(0, p.After)
	}
}

func (s *fakeStore) good(l spool.Lease) (*row, bool) {
	r := s.rows[l.Delivery]
	return r, r != nil && r.state == spool.Running && r.fence == l.Fence
}

func (s *fakeStore) Extend(_ context.Context, ls []spool.Lease, by time.Duration) (lost []spool.Lease, err error) {
	unlock, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, l := range ls {
		if r, ok := s.good(l); ok {
			r.until = s.now().Add(by)
			s.extended++
		} else {
			lost = append(lost, spool.Lease{Delivery: l.Delivery, Fence: l.Fence})
		}
	}
	return lost, nil
}

func (s *fakeStore) Settle(ctx context.Context, st spool.Settlement) error {
	if s.hangSettles.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	unlock, err := s.enter()
	if err != nil {
		return err
	}
	defer unlock()
	if s.failSettle != nil {
		s.failed++
		return s.failSettle
	}
	r, ok := s.good(st.Lease)
	if !ok {
		return spool.ErrLeaseLost
	}
	s.leased--
	r.state, r.due, r.reason, r.ended = st.State, st.Due, st.Reason, s.now()
	if !st.Attempt.Free {
		r.attempts++
	}
	if len(r.log) < 1000 {
		r.log = append(r.log, st.Attempt)
	}
	return nil
}

func (s *fakeStore) Release(_ context.Context, ls []spool.Lease) error {
	unlock, err := s.enter()
	if err != nil {
		return err
	}
	due := map[spool.RouteKey]bool{}
	for _, l := range ls {
		if r, ok := s.good(l); ok {
			s.leased--
			s.released++
			r.state, due[r.key] = spool.Available, true
			if now := s.now(); r.due.After(now) {
				r.due = now
			}
		}
	}
	unlock()
	for k := range due {
		s.report(k)
	}
	return nil
}

func (s *fakeStore) Routes(context.Context) (states []spool.RouteState, err error) {
	unlock, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer unlock()
	for k, q := range s.queues {
		st := spool.RouteState{Key: k}
		q.unfinished(func(r *row) bool {
			if r.state != spool.Running {
				st.Waiting++
			}
			st.Last = r.number
			return true
		})
		if q.hold != nil {
			h, here := *q.hold, *q.hold
			st.Hold, st.HeldHere = &h, &here
		}
		states = append(states, st)
	}
	return states, nil
}

func (s *fakeStore) setHold(o spool.Owner, k spool.RouteKey, h *spool.Hold) error {
	unlock, err := s.enter()
	if err != nil {
		return err
	}
	if !o.MayChange(s.queue(k).hold, h) {
		unlock()
		return spool.ErrHoldChanged
	}
	s.queue(k).hold = h
	s.queue(k).holds++
	unlock()
	s.report(k)
	return nil
}

func (s *fakeStore) HeldByHand(k spool.RouteKey) (spool.Hold, bool) {
	h := s.held(k)
	if h == nil || !h.ByHand {
		return spool.Hold{}, false
	}
	return *h, true
}

func (s *fakeStore) Hold(_ context.Context, o spool.Owner, k spool.RouteKey, h spool.Hold) error {
	return s.setHold(o, k, &h)
}

func (s *fakeStore) Resume(_ context.Context, o spool.Owner, k spool.RouteKey) error {
	return s.setHold(o, k, nil)
}
