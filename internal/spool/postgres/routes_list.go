package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

const (
	countRoutes = `SELECT route, sum(waiting)::bigint, sum(running)::bigint, sum(dead)::bigint FROM @.counts WHERE route>0 GROUP BY route`
	// oldestOf are the lowest waiting numbers of routes, with the heads of their events:
	// numbers rise with the commits, so the lowest is the oldest.
	oldestOf = `SELECT u.r, x.number, e.head FROM unnest($1::bigint[]) u(r)
		CROSS JOIN LATERAL (SELECT number FROM (
			(SELECT number FROM @.deliveries WHERE route>=u.r AND route<=u.r AND state IN (1,3,6) ORDER BY route, number LIMIT 1)
			UNION ALL (SELECT number FROM @.deliveries WHERE route>=u.r AND route<=u.r AND state=8 ORDER BY route, number LIMIT 1)) y ORDER BY number LIMIT 1) x
		CROSS JOIN LATERAL (SELECT head FROM @.events WHERE seq=x.number>>12 OFFSET 0) e`
)

// routeSums are what is counted of a queue.
type routeSums struct {
	waiting, running, dead int64
	// oldest is the lowest waiting number, 0 for none, and head that of its event.
	oldest int64
	head   []byte
}

// Routes implements spool.Store. The numbers of a queue that was taken over count for the
// one that has it now.
func (s *Store) Routes(ctx context.Context) ([]spool.RouteState, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.exit()
	sums, last, err := s.sumRoutes(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading routes: %w", err)
	}
	live := s.fleet.live()
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	var states []spool.RouteState
	for id, rt := range c.routes {
		if rt == nil || rt.id != id {
			continue
		}
		st := spool.RouteState{Key: rt.key, Last: last}
		if x := sums[id]; x != nil {
			st.Waiting, st.Running, st.Dead = x.waiting, x.running, x.dead
			if x.oldest != 0 {
				var e spool.Event
				if _, err := record.DecodeHead(x.head, &e); err == nil {
					st.Oldest = e.Received
				}
			}
		}
		st.Hold, st.Served = rt.heldByAll(live)
		st.HeldHere = copyHold(cmp.Or(rt.byHand, rt.holds[s.me]))
		states = append(states, st)
	}
	slices.SortFunc(states, func(a, b spool.RouteState) int {
		return cmp.Or(cmp.Compare(a.Key.Source, b.Key.Source), cmp.Compare(a.Key.Route, b.Key.Route))
	})
	return states, nil
}

// heldByAll returns the hold of a route as the fleet has it, and how many live members
// serve it. The caller holds the catalog's lock.
func (rt *route) heldByAll(live map[int64]*member) (hold *spool.Hold, served int) {
	all := true
	for n, m := range live {
		if !m.serves[rt.id] {
			continue
		}
		served++
		switch h := rt.holds[n]; {
		case h == nil:
			all = false
		case hold == nil || h.Since.Before(hold.Since):
			hold = h
		}
	}
	switch {
	case rt.byHand != nil:
		hold = rt.byHand
	case !all:
		hold = nil
	}
	return copyHold(hold), served
}

// copyHold copies a hold: callers may change what they get.
func copyHold(h *spool.Hold) *spool.Hold {
	if h == nil {
		return nil
	}
	c := *h
	return &c
}

// sumRoutes reads what is counted of every queue, and a number at least as large as that
// of each delivery.
func (s *Store) sumRoutes(ctx context.Context) (sums map[int64]*routeSums, last int64, err error) {
	if err := s.refresh(ctx); err != nil {
		return nil, 0, err
	}
	into := s.catalog.queues()
	ids := make([]int64, 0, len(into))
	for id := range into {
		ids = append(ids, id)
	}
	of := func(id int64) *routeSums {
		q, ok := into[id]
		if !ok {
			q = id
		}
		if sums[q] == nil {
			sums[q] = &routeSums{}
		}
		return sums[q]
	}
	err = s.reads.run(ctx, true, func() *trip {
		sums = map[int64]*routeSums{}
		t := s.relaxedly()
		t.do(countRoutes).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var id, waiting, running, dead int64
				if err := rows.Scan(&id, &waiting, &running, &dead); err != nil {
					return err
				}
				x := of(id)
				x.waiting, x.running, x.dead = x.waiting+waiting, x.running+running, x.dead+dead
			}
			return rows.Err()
		})
		t.do(oldestOf, ids).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var id, number int64
				var head []byte
				if err := rows.Scan(&id, &number, &head); err != nil {
					return err
				}
				if x := of(id); x.oldest == 0 || number < x.oldest {
					x.oldest, x.head = number, head
				}
			}
			return rows.Err()
		})
		t.do(lastNumber).QueryRow(func(row pgx.Row) error { return row.Scan(&last) })
		return t
	})
	return sums, last<<ordinalBits | maxOrdinal, err
}

// queues returns where the numbers of all routes lead.
func (c *catalog) queues() map[int64]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	into := make(map[int64]int64, len(c.routes))
	for id, rt := range c.routes {
		if rt != nil {
			into[id] = rt.id
		}
	}
	return into
}
