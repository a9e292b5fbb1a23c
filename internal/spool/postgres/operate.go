package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// lockEvent keeps an event from being dropped, and others from working on its deliveries
// here. It is a statement of its own, so that those behind it see what was committed until
// it has the row.
const lockEvent = `SELECT source FROM @.events WHERE seq=$1 FOR UPDATE`

// ofEventLocked are the deliveries of the event $1, locked in the order of their numbers.
const ofEventLocked = `SELECT number, route, key, state FROM @.deliveries WHERE number BETWEEN $1::bigint<<12 AND $1::bigint<<12|4095 ORDER BY number FOR UPDATE`

// Those of a route have $2 among their numbers' routes; an empty $2 means any. A replay is
// in the queue that has taken over its own, and behind where its key has one that waits or
// runs.
var redeliver = `WITH k AS MATERIALIZED (` + ofEventLocked + `), ` + fmt.Sprintf(queuesOf, `ARRAY(SELECT route FROM k)||$4::bigint`) + `,
 again AS MATERIALIZED (SELECT k.number, coalesce(k.root, k.route) AS route, k.state, CASE WHEN k.key IS NOT NULL AND (k.turn>1 OR ` + fmt.Sprintf(hasHead, "k.routes", "k.key") + ` OR ` + fmt.Sprintf(hasBehind, "k.routes", "k.key") + `) THEN 8 ELSE 6 END AS next
	FROM (SELECT k.*, q.root, q.routes, row_number() OVER (PARTITION BY q.root, k.key ORDER BY k.number) AS turn FROM k LEFT JOIN queues q ON q.route=k.route
		WHERE k.state IN (4,5,7) AND (cardinality($2::bigint[])=0 OR k.route=ANY($2))) k),
 l AS (UPDATE @.deliveries d SET route=again.route, state=again.next, due=$3, attempts=0, replay=d.replay+1, ended=0, reason='' FROM again
	WHERE d.number=again.number RETURNING again.route, again.state),
 x AS (INSERT INTO @.deliveries (number, route, key, state, due, replay)
	SELECT coalesce((SELECT max(number)+1 FROM k), $1::bigint<<12), $4, nullif($7::bigint,0),
		CASE WHEN $7<>0 AND EXISTS (SELECT FROM queues q WHERE q.route=$4 AND (` + fmt.Sprintf(hasHead, "q.routes", "$7") + ` OR ` + fmt.Sprintf(hasBehind, "q.routes", "$7") + `) OFFSET 0) THEN 8 ELSE 6 END, $3, 1
	WHERE $4::bigint<>0 AND EXISTS (SELECT FROM @.events WHERE seq=$1) AND NOT EXISTS (SELECT FROM k WHERE k.route=ANY($2))
		AND coalesce((SELECT max(number) FROM k), 0)<($1::bigint<<12|4095) RETURNING route, 0::smallint),
 a AS (SELECT route, state FROM l UNION ALL SELECT * FROM x),
 c AS (INSERT INTO @.counts AS c SELECT route, $5::bigint, $6::smallint, count(*), 0, -count(*) FILTER (WHERE state=5) FROM a GROUP BY route ORDER BY route
	ON CONFLICT (route,member,link) DO UPDATE SET waiting=c.waiting+excluded.waiting, dead=c.dead+excluded.dead)
SELECT (SELECT count(*) FROM k), (SELECT count(*) FROM k WHERE k.route=ANY($2)), ARRAY(SELECT route FROM a)`

const (
	discard = `WITH k AS MATERIALIZED (` + ofEventLocked + `),
 l AS (UPDATE @.deliveries d SET state=7, ended=$3 FROM k
	WHERE d.number=k.number AND k.state=5 AND (cardinality($2::bigint[])=0 OR k.route=ANY($2)) RETURNING k.route),
 c AS (INSERT INTO @.counts AS c SELECT route, $4::bigint, $5::smallint, 0, 0, -count(*) FROM l GROUP BY route ORDER BY route
	ON CONFLICT (route,member,link) DO UPDATE SET dead=c.dead+excluded.dead)
SELECT count(*) FROM l`
	discardOdd = `WITH q AS (DELETE FROM @.quarantine WHERE number=$1 RETURNING size),
 c AS (INSERT INTO @.counts AS c SELECT 0, $2::bigint, $3::smallint, -1, -size, 0 FROM q
	ON CONFLICT (route,member,link) DO UPDATE SET waiting=c.waiting-1, running=c.running+excluded.running)
SELECT size FROM q`
)

// sourceOf returns the name of an event's source, and ErrNotFound where there is no such
// event.
func (s *Store) sourceOf(ctx context.Context, seq int64) (string, error) {
	id := int64(0)
	err := s.calls.run(ctx, true, func() *trip {
		id = 0
		t := s.relaxedly()
		t.do(`SELECT source FROM @.events WHERE seq=$1`, seq).Query(scanOne(&id))
		return t
	})
	switch {
	case err != nil:
		return "", err
	case id == 0:
		return "", spool.ErrNotFound
	}
	if name := s.catalog.sourceName(id); name != "" {
		return name, nil
	}
	if err := s.load(ctx, s.calls); err != nil {
		return "", err
	}
	return s.catalog.sourceName(id), nil
}

// scanOne reads the one column of the one row that there may be.
func scanOne(to ...any) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			if err := rows.Scan(to...); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}

// queueOf returns the number of a queue and those of the queues that it has taken over,
// 0 and none for an unknown one.
func (c *catalog) queueOf(k spool.RouteKey) (id int64, all []int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rt := c.names[k]
	if rt == nil {
		return 0, []int64{}
	}
	for n, other := range c.routes {
		if other == rt {
			all = append(all, n)
		}
	}
	return rt.id, all
}

// Redeliver implements spool.Operator.
func (s *Store) Redeliver(ctx context.Context, seq int64, to spool.RouteWish) (int, error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.exit()
	n, err := s.redeliver(ctx, seq, to)
	if err != nil {
		return 0, fmt.Errorf("redelivering event: %w", err)
	}
	return n, nil
}

// redeliver is Redeliver for those who have entered. A route that the event was never
// sent to gets a delivery of its own, whose number is the next of the event.
func (s *Store) redeliver(ctx context.Context, seq int64, to spool.RouteWish) (int, error) {
	source, err := s.sourceOf(ctx, seq)
	if err != nil {
		return 0, err
	}
	queue, asked, key := int64(0), []int64{}, spool.KeyHash(to.Key)
	if to.Route != "" {
		k := spool.RouteKey{Source: source, Route: to.Route}
		if err := s.refresh(ctx); err != nil {
			return 0, err
		}
		if queue, asked = s.catalog.queueOf(k); queue == 0 {
			if err := s.makeNames(ctx, source, []spool.RouteWish{{Route: to.Route}}); err != nil {
				return 0, err
			}
			if queue, asked = s.catalog.queueOf(k); queue == 0 {
				return 0, fmt.Errorf("%w: a new route is not known yet", spool.ErrUnavailable)
			}
		}
	}
	var there, all, found int64
	var changed []int64
	r := s.clock.read()
	err = s.calls.run(ctx, false, func() *trip {
		there = 0
		t := s.durably()
		t.do(lockEvent, seq).Query(scanOne(&there))
		t.lockKeysOf(seq, key)
		t.do(redeliver, seq, asked, r.now, queue, s.me, linkCalls, key).Query(scanOne(&all, &found, &changed))
		return t
	})
	switch {
	case err != nil:
		return 0, err
	case there == 0: // Dropped meanwhile, with its deliveries.
		return 0, spool.ErrNotFound
	case queue != 0 && found == 0 && len(changed) == 0:
		return 0, fmt.Errorf("it has %d deliveries already", all)
	}
	for _, id := range changed {
		s.noteDue(id, r.now)
	}
	return len(changed), nil
}

// Discard implements spool.Operator. The rows stay until the event is old enough, so that
// the log shows what was discarded.
func (s *Store) Discard(ctx context.Context, seq int64, route string) (int, error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.exit()
	n, err := s.discard(ctx, seq, route)
	if err != nil {
		return 0, fmt.Errorf("discarding dead letters: %w", err)
	}
	return n, nil
}

func (s *Store) discard(ctx context.Context, seq int64, route string) (int, error) {
	source, err := s.sourceOf(ctx, seq)
	if err != nil {
		return 0, err
	}
	asked := []int64{}
	if route != "" {
		if err := s.refresh(ctx); err != nil {
			return 0, err
		}
		if _, asked = s.catalog.queueOf(spool.RouteKey{Source: source, Route: route}); len(asked) == 0 {
			return 0, spool.ErrNotFound
		}
	}
	there, n := int64(0), 0
	err = s.calls.run(ctx, false, func() *trip {
		there = 0
		t := s.durably()
		t.do(lockEvent, seq).Query(scanOne(&there))
		t.lockKeysOf(seq, 0) // It locks the rows of others than it changes.
		t.do(discard, seq, asked, nanos(s.clock.read().Wall()), s.me, linkCalls).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
		return t
	})
	if err == nil && there == 0 {
		err = spool.ErrNotFound
	}
	return n, err
}

// DiscardOdd implements spool.Operator.
func (s *Store) DiscardOdd(ctx context.Context, entry int64) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.exit()
	size := int64(-1)
	err := s.calls.run(ctx, false, func() *trip {
		size = -1
		t := s.durably()
		t.do(discardOdd, entry, s.me, linkCalls).Query(scanOne(&size))
		return t
	})
	switch {
	case err != nil:
		return fmt.Errorf("discarding quarantine entry: %w", err)
	case size < 0:
		return spool.ErrNotFound
	}
	s.fleet.oddGrown(-size, -1)
	return nil
}
