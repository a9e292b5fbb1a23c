package sqlite

import (
	"context"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// Routes implements spool.Store. Counts and holds come from the view of the last
// commit, the age of what waits from one query a route. Numbers that lead to another
// queue are left out.
func (s *Store) Routes(ctx context.Context) ([]spool.RouteState, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	var states []spool.RouteState
	var ids []int64
	keys := s.served.keys()
	return states, s.logs.read(ctx, func(c *conn) error {
		states, ids = s.view.states(keys)
		if err := s.oldest(c, states, ids); err != nil {
			return err
		}
		sortStates(states)
		return nil
	})
}

// states returns the queues as the last commit left them, with their numbers. One that a
// name of served leads to is served by this process: the only member there is.
func (v *view) states(served []spool.RouteKey) (states []spool.RouteState, ids []int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	here := map[*routeView]bool{}
	for _, k := range served {
		here[v.names[k]] = true
	}
	for id, rv := range v.routes {
		if id != rv.id {
			continue
		}
		st := rv.state
		st.Last = v.last
		if here[rv] {
			st.Served = 1
		}
		if st.Hold != nil { // The caller may change what it gets.
			h, same := *st.Hold, *st.Hold
			st.Hold, st.HeldHere = &h, &same
		}
		states, ids = append(states, st), append(ids, id)
	}
	return states, ids
}

// HeldByHand implements spool.Store. It needs no I/O, and is exact when Hold has
// returned: the view is published before a commit is answered.
func (s *Store) HeldByHand(k spool.RouteKey) (spool.Hold, bool) {
	s.view.mu.Lock()
	defer s.view.mu.Unlock()
	rv := s.view.names[k]
	if rv == nil || rv.state.Hold == nil || !rv.state.Hold.ByHand {
		return spool.Hold{}, false
	}
	return *rv.state.Hold, true
}

// oldest fills in since when the oldest delivery of each route has waited. Numbers
// rise with the order of commits, so the smallest one that waits is the oldest.
func (s *Store) oldest(c *conn, states []spool.RouteState, ids []int64) error {
	first := c.prepare(`SELECT min(
		coalesce((SELECT number FROM deliveries INDEXED BY fresh WHERE route=?1 AND state=1 ORDER BY number LIMIT 1), ?2),
		coalesce((SELECT number FROM deliveries INDEXED BY inorder WHERE route=?1 AND state IN (3, 6) ORDER BY number LIMIT 1), ?2),
		coalesce((SELECT number FROM deliveries INDEXED BY waits WHERE route=?1 AND state=8 ORDER BY number LIMIT 1), ?2))`)
	head := c.prepare(`SELECT head FROM events WHERE seq=?`)
	if c.err != nil {
		return c.err
	}
	defer first.Close()
	defer head.Close()
	for i := range states {
		if states[i].Waiting == 0 {
			continue
		}
		number := int64(never)
		if first.int(ids[i]).int(never).next() {
			number = first.ColumnInt64(0)
		}
		if err := first.end(); err != nil {
			return err
		}
		var e spool.Event
		if head.int(number >> ordinalBits).next() {
			if _, err := record.DecodeHead(head.ColumnRawBlob(0), &e); err != nil {
				return err
			}
			states[i].Oldest = e.Received
		}
		if err := head.end(); err != nil {
			return err
		}
	}
	return nil
}
