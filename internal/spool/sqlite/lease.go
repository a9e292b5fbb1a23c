package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

const reasonLeaseOut = "lease ran out"

// Lease implements spool.Store. When nothing is due it costs no query and does not
// wait for the writer. The leases are committed and fsynced before their events are
// read, by another connection: the events cannot go while their deliveries run. What
// fails after the commit is given back, so that nothing stays leased to a caller
// that does not know of it.
func (s *Store) Lease(ctx context.Context, p spool.Pick) (spool.Batch, error) {
	if err := s.enter(); err != nil {
		return spool.Batch{}, err
	}
	defer s.leave()
	if b, ok := s.leaseFromView(p); ok {
		return b, ctx.Err()
	}
	var b spool.Batch
	err := s.submit(ctx, true, 0, func(w *writer) error {
		b = spool.Batch{}
		rt := w.names[w.nameOf(p.Route)]
		if rt == nil {
			return nil
		}
		picked, err := w.pick(rt, p)
		if err != nil {
			return err
		}
		for _, c := range picked {
			d, err := w.start(rt, c, p)
			if err != nil {
				return err
			}
			b.Deliveries = append(b.Deliveries, d)
		}
		n, err := w.next(rt)
		if n != never {
			b.Next = record.Time(n)
		}
		w.touch(rt, false)
		return err
	})
	if err != nil {
		s.giveBack(ctx, &b.Deliveries)
		return spool.Batch{}, err
	}
	if err := s.loadEvents(ctx, b.Deliveries); err != nil {
		s.giveBack(ctx, &b.Deliveries)
		return spool.Batch{}, fmt.Errorf("loading leased events: %w", err)
	}
	good, err := s.settleDamaged(ctx, b.Deliveries)
	if err != nil {
		s.giveBack(ctx, &b.Deliveries)
		return spool.Batch{}, fmt.Errorf("burying damaged events: %w", err)
	}
	b.Deliveries = good
	return b, nil
}

// giveBack releases what a call has leased when its caller will not learn of it. It
// reads ds in the writer's turn and not before: the writer serves in order, so the
// request that fills ds has run by then or never will.
func (s *Store) giveBack(ctx context.Context, ds *[]spool.Delivery) {
	s.calls.Add(1) // The caller has entered, so this does not race with Close.
	go func() {
		defer s.leave()
		_ = s.submit(context.WithoutCancel(ctx), true, 0, func(w *writer) error {
			leases := make([]spool.Lease, len(*ds))
			for i, d := range *ds {
				leases[i] = d.Lease
			}
			return w.release(leases)
		})
	}()
}

// leaseFromView answers from the view of the last commit when there is nothing to
// take. Dispatchers ask often, and the writer's turn is the narrowest place. The view
// may say that something is due when nothing is; then the writer decides. It never
// says the opposite, because it is published before a commit is answered.
func (s *Store) leaseFromView(p spool.Pick) (spool.Batch, bool) {
	s.mu.Lock()
	down := s.down != nil
	s.mu.Unlock()
	if down {
		return spool.Batch{}, false
	}
	now := s.clock.Now().UnixNano()
	s.view.mu.Lock()
	defer s.view.mu.Unlock()
	rv := s.view.names[p.Route]
	if rv == nil {
		return spool.Batch{}, true
	}
	if !rv.known || rv.next <= now || p.IgnoreDue && rv.queue > 0 {
		return spool.Batch{}, false
	}
	if rv.next == never {
		return spool.Batch{}, true
	}
	return spool.Batch{Next: record.Time(rv.next)}, true
}

// nameOf returns the key under which w.names has a route. It is one that leads
// nowhere where the source is not known.
func (w *writer) nameOf(k spool.RouteKey) routeName {
	if src := w.sources[k.Source]; src != nil {
		return routeName{src.id, k.Route}
	}
	return routeName{}
}

// candidate is a delivery that a pick may take, as its row says.
type candidate struct {
	number, key, due, attempts, replay, state int64
	// logged reports that its log holds attempts.
	logged bool
	// expired is the lease that ran out, nil for a delivery that waits.
	expired *lease
}

// pick chooses what a Pick asks for, in order. The number is bounded so that one
// call cannot hold the turn for long. Of what an operator holds nothing is taken.
func (w *writer) pick(rt *route, p spool.Pick) ([]candidate, error) {
	n := min(p.N, 4096)
	if n <= 0 || rt.hold != nil && rt.hold.ByHand {
		return nil, nil
	}
	if !p.IgnoreDue {
		return w.pickDue(rt, n)
	}
	last := int64(never)
	if p.UpTo > 0 {
		last = p.UpTo
	}
	found, err := w.pickAfter(rt, p.After, last, n)
	if err == nil && len(found) < n && p.After > 0 && p.UpTo == 0 {
		var wrapped []candidate
		wrapped, err = w.pickAfter(rt, 0, p.After, n-len(found))
		found = append(found, wrapped...)
	}
	return found, err
}

// pickDue takes what is due, what fell due first before the rest. Each of the three
// kinds (fresh, later, leases that ran out) gives its first n, which must hold the
// first n of all.
func (w *writer) pickDue(rt *route, n int) ([]candidate, error) {
	found, err := collect(nil, w.q.pickFresh.int(rt.id).int(int64(n)))
	if err == nil && rt.due <= w.now {
		found, err = collect(found, w.q.pickLater.int(rt.id).int(w.now).int(int64(n)))
	}
	if err != nil {
		return nil, err
	}
	found = w.addExpiredLeases(rt, found, 0, never)
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.number, b.number))
	})
	return found[:min(n, len(found))], nil
}

// pickAfter takes the oldest numbers in (after, last], due or not.
func (w *writer) pickAfter(rt *route, after, last int64, n int) ([]candidate, error) {
	found, err := collect(nil, w.q.afterFresh.int(rt.id).int(after).int(int64(n)))
	if err == nil {
		found, err = collect(found, w.q.afterLater.int(rt.id).int(after).int(int64(n)))
	}
	if err != nil {
		return nil, err
	}
	found = w.addExpiredLeases(rt, found, after, last)
	found = slices.DeleteFunc(found, func(c candidate) bool { return c.number > last })
	slices.SortFunc(found, func(a, b candidate) int { return cmp.Compare(a.number, b.number) })
	return found[:min(n, len(found))], nil
}

// collect appends the rows of q.
func collect(found []candidate, q *stmt) ([]candidate, error) {
	err := q.each(func() error {
		found = append(found, candidate{
			number: q.ColumnInt64(0), due: q.ColumnInt64(1), attempts: q.ColumnInt64(2),
			replay: q.ColumnInt64(3), logged: q.ColumnInt64(4) > 0, state: q.ColumnInt64(5), key: q.ColumnInt64(6),
		})
		return nil
	})
	return found, err
}

// addExpiredLeases adds the deliveries whose lease has run out, due since then.
func (w *writer) addExpiredLeases(rt *route, found []candidate, after, last int64) []candidate {
	if rt.leaseEnd() > w.now {
		return found
	}
	for _, l := range rt.leases {
		if l.until <= w.now && l.number > after && l.number <= last {
			found = append(found, candidate{
				number: l.number, key: l.key, due: l.until, attempts: l.attempts, replay: l.replay,
				state: running, logged: l.logged, expired: l,
			})
		}
	}
	return found
}

// start leases a delivery. Taking over one whose lease ran out counts the attempt
// that nobody reported on, as a crash does.
func (w *writer) start(rt *route, c candidate, p spool.Pick) (spool.Delivery, error) {
	l := &lease{
		number: c.number, key: c.key, fence: w.fence(), until: w.now + dur(p.LeaseFor), route: rt,
		due: c.due, attempts: c.attempts, replay: c.replay, logged: c.logged, fresh: c.state == fresh,
	}
	if old := c.expired; old != nil {
		w.end(old)
		l.due = min(old.due, w.now)
		l.attempts, l.logged = old.attempts+1, true
		if err := w.interrupt(old, retrying, l.due, reasonLeaseOut); err != nil {
			return spool.Delivery{}, err
		}
	} else {
		w.unqueue(rt, c.state, c.due, c.key)
		delete(rt.passed, c.number)
	}
	w.grant(l)
	return l.delivery(p.Route), w.q.start.int(l.number).int(l.fence).int(l.until).exec()
}

// interrupt counts an attempt whose end was never reported, and logs why.
func (w *writer) interrupt(l *lease, state, due int64, why string) error {
	log, err := w.logOf(l.number)
	if err != nil {
		return err
	}
	log = record.AppendAttempt(log, spool.Attempt{N: int(l.attempts) + 1, Replay: int(l.replay), Start: w.clock.Wall(), Error: why})
	return w.q.cutShort.int(l.number).int(state).int(due).int(l.attempts + 1).blob(log).exec()
}

// logOf returns the packed attempts of a delivery.
func (w *writer) logOf(number int64) (log []byte, err error) {
	if w.q.log.int(number).next() {
		log = w.q.log.bytes(0)
	}
	return log, w.q.log.end()
}

// lookupLease returns the running delivery that l still is the lease of, or nil. A
// lease that ran out is good until its delivery was taken over: then the fence is
// another one.
func (w *writer) lookupLease(l spool.Lease) *lease {
	mine := w.leases[l.Delivery]
	if mine == nil || mine.fence != l.Fence {
		return nil
	}
	return mine
}

// Extend implements spool.Store. It is not fsynced: after a power cut no lease is
// believed anyway.
func (s *Store) Extend(ctx context.Context, leases []spool.Lease, d time.Duration) ([]spool.Lease, error) {
	var lost []spool.Lease
	err := s.do(ctx, false, 0, func(w *writer) error {
		lost = nil
		for _, l := range leases {
			mine := w.lookupLease(l)
			if mine == nil {
				lost = append(lost, spool.Lease{Delivery: l.Delivery, Fence: l.Fence})
				continue
			}
			w.end(mine)
			mine.until = w.now + dur(d)
			w.grant(mine)
			if err := w.q.extend.int(mine.number).int(mine.until).exec(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}

// Release implements spool.Store. It is durable, because what was given back counts
// no attempt: after a crash it would count one.
func (s *Store) Release(ctx context.Context, leases []spool.Lease) error {
	return s.do(ctx, true, 0, func(w *writer) error { return w.release(leases) })
}

// release has the deliveries of good leases wait again, due when they were due, or
// now where that lay ahead.
func (w *writer) release(leases []spool.Lease) error {
	for _, l := range leases {
		mine := w.lookupLease(l)
		if mine == nil {
			continue
		}
		state, due := requeued, min(mine.due, w.now)
		if mine.fresh {
			state = fresh
		}
		w.end(mine)
		w.queue(mine.route, state, due, mine.key)
		if err := w.q.giveBack.int(mine.number).int(state).int(due).exec(); err != nil {
			return err
		}
	}
	return nil
}
