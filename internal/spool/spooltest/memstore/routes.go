package memstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// queueOf returns the queue that a name leads to, a new one for a new name.
func (tx *tx) queueOf(k spool.RouteKey) int64 {
	if q, ok := tx.im.names[k]; ok {
		return q
	}
	return tx.newQueue(k)
}

func (tx *tx) newQueue(k spool.RouteKey) int64 {
	q := int64(len(tx.im.queues)) + 1
	tx.put(func(im *image) { im.queues[q], im.names[k] = queue{key: k}, q })
	return q
}

func (s *store) Configure(ctx context.Context, o spool.Owner, source string, routes []spool.RouteName) error {
	_, err := do(ctx, s, func() (struct{}, error) {
		return struct{}{}, s.update(true, func(tx *tx) error {
			for _, r := range routes {
				tx.configure(spool.RouteKey{Source: source, Route: r.Name}, spool.RouteKey{Source: source, Route: r.Was})
			}
			return nil
		})
	})
	if err == nil {
		s.serve(o, source, routes)
	}
	return err
}

// Leave implements spool.Store.
func (s *store) Leave(ctx context.Context, o spool.Owner) error {
	_, err := do(ctx, s, func() (struct{}, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.faults[StaysAfterLeave] {
			delete(s.serves, o)
		}
		return struct{}{}, nil
	})
	return err
}

func (tx *tx) configure(k, was spool.RouteKey) {
	old, found := tx.im.names[was]
	mine, own := tx.im.names[k]
	// A former name that is listed again has a queue of its own again.
	own = own && tx.im.queues[mine].key == k
	switch {
	case was.Route == "" || was == k || !found || tx.faults[IgnoresWas]:
		if !own {
			tx.newQueue(k)
		}
	case !own:
		row := tx.im.queues[old]
		row.key = k
		tx.put(func(im *image) { im.queues[old], im.names[k] = row, old })
	case old != mine:
		for _, d := range tx.im.deliveries {
			if d.queue == old {
				d.queue = mine
				tx.setDelivery(d)
			}
		}
		tx.joinKeys(mine)
		tx.put(func(im *image) { im.queues[old] = queue{}; im.names[was] = mine })
	}
}

func (s *store) Routes(ctx context.Context) ([]spool.RouteState, error) {
	return do(ctx, s, func() (states []spool.RouteState, err error) {
		err = s.update(true, func(tx *tx) error {
			for n, q := range tx.im.queues {
				if q.key.Route != "" {
					states = append(states, tx.routeState(n, q))
				}
			}
			return nil
		})
		slices.SortFunc(states, func(a, b spool.RouteState) int { return byKey(a.Key, b.Key) })
		return states, err
	})
}

func byKey(a, b spool.RouteKey) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Route, b.Route))
}

func (tx *tx) routeState(n int64, q queue) spool.RouteState {
	st := spool.RouteState{Key: q.key, Last: tx.im.number, HeldHere: copyHold(tx.heldHere(n))}
	hold, served := tx.held(n)
	st.Hold, st.Served = copyHold(hold), served
	for _, d := range tx.im.deliveries {
		if d.queue != n {
			continue
		}
		switch d.state {
		case spool.Available, spool.Retrying:
			st.Waiting++
			if at := tx.im.events[d.seq].Received; st.Oldest.IsZero() || at.Before(st.Oldest) {
				st.Oldest = at
			}
		case spool.Running:
			st.Running++
		case spool.Dead:
			st.Dead++
		}
	}
	return st
}

func (s *store) Hold(ctx context.Context, o spool.Owner, k spool.RouteKey, h spool.Hold) error {
	return s.setHold(ctx, o, k, &h)
}

func (s *store) Resume(ctx context.Context, o spool.Owner, k spool.RouteKey) error {
	return s.setHold(ctx, o, k, nil)
}

func (s *store) setHold(ctx context.Context, o spool.Owner, k spool.RouteKey, h *spool.Hold) error {
	_, err := do(ctx, s, func() (struct{}, error) {
		return struct{}{}, s.update(!s.faults[HoldsLazily], func(tx *tx) error {
			n := tx.queueOf(k)
			row, here := tx.im.queues[n], tx.heldHere(n)
			if !o.MayChange(here, h) && !s.overrides(here, h) {
				return spool.ErrHoldChanged
			}
			if s.ofThisProcess(o, h) {
				s.holds[n] = h
			} else {
				for _, m := range s.members {
					delete(m.holds, n)
				}
				row.hold = h
				tx.put(func(im *image) { im.queues[n] = row })
			}
			tx.due = append(tx.due, row.key)
			return nil
		})
	})
	return err
}

// ofThisProcess reports whether a hold is no other process's: not an operator's, where
// there may be other processes.
func (s *store) ofThisProcess(o spool.Owner, h *spool.Hold) bool {
	if s.faults[HoldsAlone] && s.shared {
		return true
	}
	return s.shared && o != "" && (h == nil || !h.ByHand) && !s.faults[HoldsForAll]
}

// overrides is HoldsOverOperators, ResumesOverOperators and HoldsOnceMore.
func (s *store) overrides(now, next *spool.Hold) bool {
	switch {
	case next == nil:
		return s.faults[ResumesOverOperators]
	case now != nil && now.ByHand:
		return s.faults[HoldsOverOperators]
	}
	return s.faults[HoldsOnceMore]
}

func (s *store) HeldByHand(k spool.RouteKey) (spool.Hold, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.heldHere(s.im.names[k])
	if h == nil || !h.ByHand {
		return spool.Hold{}, false
	}
	return *h, true
}

func (s *store) Redeliver(ctx context.Context, seq int64, to spool.RouteWish) (int, error) {
	return do(ctx, s, func() (n int, err error) {
		err = s.update(true, func(tx *tx) error {
			ev := tx.im.events[seq]
			if ev == nil {
				return spool.ErrNotFound
			}
			q := int64(0)
			if to.Route != "" {
				q = tx.queueOf(spool.RouteKey{Source: ev.Source, Route: to.Route})
			}
			n = tx.redeliver(seq, q, spool.KeyHash(to.Key))
			return nil
		})
		return n, err
	})
}

func (tx *tx) redeliver(seq, queue, key int64) (n int) {
	found := false
	for _, d := range tx.im.deliveries {
		if d.seq != seq || queue != 0 && d.queue != queue {
			continue
		}
		found = true
		if d.finished() || tx.faults[ReplaysRunning] {
			tx.await(delivery{
				number: d.number, seq: seq, queue: d.queue, key: d.key, state: spool.Available, due: tx.now,
				fence: d.fence, replay: d.replay + 1, log: d.log,
			})
			n++
		}
	}
	if queue != 0 && !found {
		d := delivery{number: tx.im.number + 1, seq: seq, queue: queue, key: key, state: spool.Available, due: tx.now, replay: 1}
		tx.put(func(im *image) { im.number = d.number })
		tx.await(d)
		n++
	}
	return n
}

func (s *store) Watch(f func(spool.RouteKey)) (stop func()) {
	s.watching.Lock()
	defer s.watching.Unlock()
	s.watchNo++
	n := s.watchNo
	s.watchers[n] = f
	return func() {
		s.watching.Lock()
		defer s.watching.Unlock()
		delete(s.watchers, n)
	}
}

func (s *store) report(due []spool.RouteKey) {
	s.watching.Lock()
	defer s.watching.Unlock()
	for _, k := range due {
		for _, f := range s.watchers {
			f(k)
		}
	}
}
