package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// whole is all that is stored of an event. Its deliveries are in columns. head is nil
// where there is no such event.
type whole struct {
	seq        int64
	source     *int64
	id, typ    string
	head, body []byte

	numbers, routes, due, ended []int64
	states                      []int16
	attempts, replays           []int32
	reasons                     []string
	logs                        [][]byte
}

// One statement, so that event and deliveries are of one moment.
const readEvents = `SELECT u.seq, e.source, coalesce(e.id,''), coalesce(e.type,''), e.head, e.body, d.numbers, d.routes, d.due, d.ended, d.states, d.attempts, d.replays, d.reasons, d.logs
	FROM unnest($1::bigint[]) u(seq)
	LEFT JOIN LATERAL (SELECT source, id, type, head, body FROM @.events WHERE seq=u.seq OFFSET 0) e ON true
	CROSS JOIN LATERAL (SELECT array_agg(number) AS numbers, array_agg(route) AS routes, array_agg(due) AS due, array_agg(ended) AS ended, array_agg(state) AS states,
		array_agg(attempts) AS attempts, array_agg(replay) AS replays, array_agg(reason) AS reasons, array_agg(log) AS logs
		FROM (SELECT number, route, due, ended, state, attempts, replay, reason, log FROM @.deliveries WHERE number BETWEEN u.seq<<12 AND u.seq<<12|4095 ORDER BY number) x) d`

// readWhole reads events and their deliveries by the numbers of the events.
func (l *listing) readWhole(ctx context.Context, numbers []int64) (all map[int64]*whole, err error) {
	for {
		unknown := false
		err = l.s.reads.run(ctx, true, func() *trip {
			all, unknown = make(map[int64]*whole, len(numbers)), false
			t := l.s.relaxedly()
			t.do(readEvents, numbers).Query(func(rows pgx.Rows) error {
				for rows.Next() {
					w := &whole{}
					if err := rows.Scan(&w.seq, &w.source, &w.id, &w.typ, &w.head, &w.body, &w.numbers, &w.routes, &w.due, &w.ended,
						&w.states, &w.attempts, &w.replays, &w.reasons, &w.logs); err != nil {
						return err
					}
					all[w.seq] = w
					for _, id := range w.routes {
						unknown = unknown || l.s.catalog.key(id).Route == ""
					}
				}
				return rows.Err()
			})
			return t
		})
		if err != nil || !unknown || l.anew {
			return all, err
		}
		if err := l.readCatalog(ctx); err != nil { // Another member has made a route.
			return nil, err
		}
	}
}

// readBodies reads the bodies of entries of quarantine, by their numbers.
func (l *listing) readBodies(ctx context.Context, found []*row) (bodies map[int64][]byte, err error) {
	numbers := make([]int64, len(found))
	for i, r := range found {
		numbers[i] = r.number
	}
	err = l.s.reads.run(ctx, true, func() *trip {
		bodies = make(map[int64][]byte, len(numbers))
		t := l.s.relaxedly()
		t.do(oddBodies, numbers).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var n int64
				var body []byte
				if err := rows.Scan(&n, &body); err != nil {
					return err
				}
				bodies[n] = body
			}
			return rows.Err()
		})
		return t
	})
	return bodies, err
}
