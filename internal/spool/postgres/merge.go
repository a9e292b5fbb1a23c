package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// moveStep is how many deliveries of a queue that was taken over move at a time.
const moveStep = 500

const (
	findMerged = `SELECT x.number, m.merged, coalesce(x.key,0) FROM (SELECT route, merged FROM @.routes WHERE merged<>0) m CROSS JOIN LATERAL (
	(SELECT number, key FROM @.deliveries d WHERE d.route=m.route AND state IN (1,3,6) ORDER BY route, number LIMIT $1)
	UNION ALL (SELECT number, key FROM @.deliveries d WHERE d.route=m.route AND state=2 LIMIT $1)
	UNION ALL (SELECT number, key FROM @.deliveries d WHERE d.route=m.route AND state=8 ORDER BY route, number LIMIT $1)
	UNION ALL (SELECT number, key FROM @.deliveries d WHERE d.route=m.route AND state=5 ORDER BY route, number LIMIT $1)) x LIMIT $1`
	moveMerged = `WITH k AS MATERIALIZED (SELECT d.number, r.merged FROM unnest($1::bigint[]) AS p(number) JOIN @.deliveries d ON d.number=p.number
	JOIN @.routes r ON r.route=d.route AND r.merged<>0 ORDER BY d.number FOR UPDATE OF d SKIP LOCKED),
 l AS (UPDATE @.deliveries d SET route=k.merged FROM k WHERE d.number=k.number RETURNING d.number)
SELECT count(*) FROM l`
)

// oneHead leaves one head to keys, of the heads that several queues had: what runs, or the
// lowest. The others are behind it.
var oneHead = `WITH u AS (SELECT DISTINCT r, key FROM unnest($1::bigint[],$2::bigint[]) AS u(r,key)), ` + fmt.Sprintf(queuesOf, "$1::bigint[]") + `,
 h AS MATERIALIZED (SELECT h.number, h.state, row_number() OVER (PARTITION BY u.r, u.key ORDER BY h.state<>2, h.number) AS turn
	FROM u JOIN queues q ON q.route=u.r CROSS JOIN LATERAL unnest(q.routes) AS o(r)
	CROSS JOIN LATERAL (SELECT number, state FROM @.deliveries h WHERE h.route=o.r AND h.key=u.key AND h.state IN (1,2,3,6) OFFSET 0) h)
UPDATE @.deliveries d SET state=8 FROM (SELECT number FROM h WHERE turn>1 AND state<>2 ORDER BY number) h WHERE d.number=h.number AND d.state IN (1,3,6)`

// moveSome moves some deliveries of queues that were taken over, and reports whether
// there may be more. What has ended well stays with the old number, which leads to the
// new queue. So do the counts: Routes adds them up.
func (s *Store) moveSome(ctx context.Context, l *link, number int16) (bool, error) {
	s.catalog.mu.Lock()
	merged := false
	var into []int64
	for id, rt := range s.catalog.routes {
		if rt != nil && rt.id != id {
			merged = true
			into = append(into, rt.id)
		}
	}
	s.catalog.mu.Unlock()
	if !merged {
		return false, nil
	}
	n, err := s.moveOnce(ctx, l)
	if n > 0 {
		slices.Sort(into)
		for _, id := range slices.Compact(into) {
			s.noteDue(id, s.clock.read().now)
		}
	}
	return n > 0, err
}

// moveOnce moves some deliveries, and returns how many. Those with a key come under the
// heads of their new queue.
func (s *Store) moveOnce(ctx context.Context, l *link) (n int, err error) {
	var numbers, routes, keys []int64
	err = l.run(ctx, true, func() *trip {
		t := s.relaxedly()
		t.do(findMerged, moveStep).Query(func(rows pgx.Rows) error {
			numbers, routes, keys = nil, nil, nil
			for rows.Next() {
				var number, route, key int64
				if err := rows.Scan(&number, &route, &key); err != nil {
					return err
				}
				numbers = append(numbers, number)
				if key != 0 {
					routes, keys = append(routes, route), append(keys, key)
				}
			}
			return rows.Err()
		})
		return t
	})
	if err != nil || len(numbers) == 0 {
		return 0, err
	}
	err = l.run(ctx, true, func() *trip {
		t := s.durably()
		t.lockKeys(keys)
		t.do(moveMerged, numbers).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
		if len(keys) > 0 {
			t.do(oneHead, routes, keys)
		}
		return t
	})
	return n, err
}
