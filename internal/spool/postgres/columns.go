package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// columns are a batch as the arrays of its statement, and what came of it.
type columns struct {
	sources, created, base, tags, released []int64
	ids, types                             []string
	digests, heads, bodies                 blobs
	age, now                               int64
	// Of deliveries: the place of their event in the batch from 1, and their own.
	event, ordinal, route, fence, lease []int64
	start                               []bool
	marked, marks                       []int64
	// key orders them, 0 for each that is not ordered; empty where none is.
	key []int64

	// seqs are the numbers of the events that were stored, 0 for the others. first is
	// where the deliveries of each begin, states are those of these.
	seqs   []int64
	first  []int
	states []int16
}

// newColumns makes room for a batch.
func newColumns(events, deliveries int) *columns {
	ints := func(n int) []int64 { return make([]int64, 0, n) }
	e, d := events, deliveries
	return &columns{
		sources: ints(e), created: ints(e), base: ints(e), tags: ints(e), released: ints(e),
		ids: make([]string, 0, e), types: make([]string, 0, e),
		digests: make(blobs, 0, e), heads: make(blobs, 0, e), bodies: make(blobs, 0, e),
		event: ints(d), ordinal: ints(d), route: ints(d), fence: ints(d), lease: ints(d), start: make([]bool, 0, d),
		seqs: make([]int64, e), first: make([]int, 0, e), states: make([]int16, d),
	}
}

func (s *Store) columns(batch []*intake, r reading) *columns {
	deliveries, ordered := 0, false
	for _, a := range batch {
		deliveries += len(a.Routes)
		ordered = ordered || a.keys != nil
	}
	c := newColumns(len(batch), deliveries)
	c.age, c.now = r.age, r.now
	marks := map[int64]int64{}
	// A delivery that queues keeps later ones of its route from starting.
	queued := map[int64]bool{}
	for i, a := range batch {
		e := a.Event
		c.sources, c.ids, c.digests = append(c.sources, a.src.id), append(c.ids, e.ID), append(c.digests, e.Digest[:])
		c.created, c.base, c.types = append(c.created, a.created), append(c.base, a.base), append(c.types, e.Type)
		c.heads, c.bodies = append(c.heads, a.head), append(c.bodies, e.Request.Body)
		c.tags, c.released = append(c.tags, a.tag), append(c.released, a.Release)
		c.first = append(c.first, len(c.event))
		if m, ok := marks[a.src.id]; !ok || a.mark < m {
			marks[a.src.id] = a.mark
		}
		if ordered && a.keys == nil {
			c.key = append(c.key, make([]int64, len(a.Routes))...)
		}
		c.key = append(c.key, a.keys...)
		for k, w := range a.Routes {
			start := w.Start && a.Owner != "" && !queued[a.routes[k]] && s.mayStart(a.routes[k], r)
			queued[a.routes[k]] = queued[a.routes[k]] || !start
			c.event, c.ordinal, c.route = append(c.event, int64(i+1)), append(c.ordinal, int64(k)), append(c.route, a.routes[k])
			c.start, c.fence, c.lease = append(c.start, start), append(c.fence, a.tag+1+int64(k)), append(c.lease, dur(a.LeaseFor))
		}
	}
	for id, mark := range marks {
		c.marked, c.marks = append(c.marked, id), append(c.marks, mark)
	}
	return c
}

// args are the arguments of the statement, up to the member and the link; keys come behind
// those.
func (c *columns) args() []any {
	return []any{
		c.sources, c.ids, c.digests, c.created, c.base, c.types, c.heads, c.bodies, c.tags, c.released, c.age, c.now,
		c.event, c.ordinal, c.route, c.start, c.fence, c.lease,
	}
}

func (c *columns) read(rows pgx.Rows) error {
	for rows.Next() {
		var o, seq, number int64
		var state int16
		if err := rows.Scan(&o, &seq, &number, &state); err != nil {
			return err
		}
		c.seqs[o-1] = seq
		if number != 0 {
			c.states[c.first[o-1]+int(number&maxOrdinal)] = state
		}
	}
	return rows.Err()
}

// born are the states of the deliveries of the ith event.
func (c *columns) born(i int, a *intake) []int16 { return c.states[c.first[i]:][:len(a.Routes)] }

// receiptOf makes the answer for an event that was stored, and notes its deliveries. born
// are their states, by their ordinals.
func (s *Store) receiptOf(a *intake, seq int64, born []int16, r reading) spool.Receipt {
	receipt := spool.Receipt{Verdict: spool.Accepted, Seq: seq}
	for k, w := range a.Routes {
		switch born[k] {
		case running:
		case behind: // It is not due.
			continue
		default:
			s.noteDue(a.routes[k], r.now)
			continue
		}
		l := &lease{number: seq<<ordinalBits | int64(k), fence: a.tag + 1 + int64(k), route: a.routes[k]}
		if a.keys != nil {
			l.key = a.keys[k]
		}
		s.leases.add(l)
		until := r.age + dur(a.LeaseFor)
		s.noteUntil(l.route, until)
		receipt.Running = append(receipt.Running, spool.Delivery{
			Lease: spool.Lease{Delivery: l.number, Fence: l.fence, Until: r.Now.Add(a.LeaseFor)},
			Route: spool.RouteKey{Source: a.Event.Source, Route: w.Route},
		})
	}
	return receipt
}
