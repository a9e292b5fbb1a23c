package postgres

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Deliveries of one route and key are handed out one after another. The one whose turn it
// is, the head of the key, is in the states of any delivery. The others are behind, where
// no lease looks. Whoever ends the head promotes the lowest of them in the same
// transaction.
//
// Two transactions that do not see each other could both make a head, or one could end
// the head while another puts a delivery behind it, which nobody would promote. So whoever
// adds a delivery of a key, or ends one, has the lock of the key until its commit, and
// takes it in a statement of its own: those behind it see what the last holder has
// committed. Locks are taken in the order of their numbers, and before all rows but the
// event's own, so that nobody waits in a circle. What has no key takes no lock, and shares
// no connection for its settles with what has.

// keySlots is how many locks there are for all keys: each that is held is a place in the
// server's table of locks, which has room for 64 for each connection that it allows. With
// fewer, batches of different keys wait for each other's flush. A lock is of a key alone and not of its route, which
// another may take over.
const keySlots = 4096

// slotOf returns the number of a key's lock.
func slotOf(key int64) int32 { return int32(key & (keySlots - 1)) } //nolint:gosec // It is below keySlots.

const lockSlots = `SELECT pg_advisory_xact_lock($1::int, slot) FROM unnest($2::int[]) AS slot`

// lockSlotsOf locks the keys of all deliveries of the event $2, and the key $3.
var lockSlotsOf = fmt.Sprintf(`SELECT pg_advisory_xact_lock($1::int, slot) FROM (SELECT DISTINCT (key & %d)::int AS slot FROM (
	SELECT key FROM @.deliveries WHERE number BETWEEN $2::bigint<<12 AND $2::bigint<<12|4095 AND key IS NOT NULL
	UNION ALL SELECT $3::bigint WHERE $3::bigint<>0) k ORDER BY slot OFFSET 0) s`, keySlots-1)

// lockKeys has the transaction wait for the locks of keys, 0 being none. It comes before
// the statements that look at them.
func (t *trip) lockKeys(keys []int64) {
	slots := make([]int32, 0, len(keys))
	for _, k := range keys {
		if k != 0 {
			slots = append(slots, slotOf(k))
		}
	}
	if len(slots) == 0 {
		return
	}
	slices.Sort(slots)
	t.do(lockSlots, t.s.lockClass, slices.Compact(slots))
}

// lockKeysOf is lockKeys for the deliveries of an event, whose row is locked already, and
// for the key of a further one.
func (t *trip) lockKeysOf(seq, key int64) { t.do(lockSlotsOf, t.s.lockClass, seq, key) }

const (
	// queuesOf are the queues that the routes of %s lead to. Deliveries of a queue that
	// was taken over keep its number for a while, so that a queue has several routes.
	queuesOf = `queues AS MATERIALIZED (SELECT r.route, min(q.root) AS root, array_agg(o.route) AS routes FROM @.routes r
		CROSS JOIN LATERAL (SELECT CASE r.merged WHEN 0 THEN r.route ELSE r.merged END AS root) q JOIN @.routes o ON o.route=q.root OR o.merged=q.root
		WHERE r.route=ANY(%s) GROUP BY r.route)`
	// hasHead and hasBehind ask for deliveries of the routes %[1]s and the key %[2]s. OFFSET
	// 0 keeps the planner from joining with a whole index instead of looking into it.
	hasHead   = `EXISTS (SELECT FROM unnest(%[1]s) AS o(r) CROSS JOIN LATERAL (SELECT FROM @.deliveries h WHERE h.route=o.r AND h.key=%[2]s AND h.state IN (1,2,3,6) OFFSET 0) h OFFSET 0)`
	hasBehind = `(` + lowestBehind + ` IS NOT NULL)`
	// lowestBehind is the number of the one whose turn is next. The comparison is of rows,
	// because for columns the planner would go through all that is behind of the route, or
	// all deliveries by number.
	lowestBehind = `(SELECT min(b.number) FROM unnest(%[1]s) AS o(r) CROSS JOIN LATERAL (SELECT number FROM @.deliveries d
		WHERE (d.key,d.route)>=(%[2]s,o.r) AND (d.key,d.route)<=(%[2]s,o.r) AND d.state=8 ORDER BY d.key, d.route, d.number LIMIT 1) b)`
)

// insertKeyed is insertFresh where deliveries have keys, $21. The first of its key is its
// head unless the key has something that waits or runs.
var insertKeyed = `(number,route,key,state,fence,due,until)
	WITH ` + fmt.Sprintf(queuesOf, "$15::bigint[]") + `
	SELECT x.number, x.r, nullif(x.key,0), g.state, CASE g.state WHEN 2 THEN x.f ELSE 0 END, $12, CASE g.state WHEN 2 THEN $11+x.l ELSE 0 END
	FROM (SELECT x.*, m.seq<<12|x.k AS number, q.routes, row_number() OVER (PARTITION BY q.root, x.key ORDER BY m.seq, x.k) AS turn
		FROM unnest($13::bigint[],$14::bigint[],$15::bigint[],$16::bool[],$17::bigint[],$18::bigint[],$21::bigint[]) AS x(e,k,r,start,f,l,key)
		JOIN m ON m.o=x.e JOIN queues q ON q.route=x.r) x
	CROSS JOIN LATERAL (SELECT CASE
		WHEN x.key<>0 AND (x.turn>1 OR ` + fmt.Sprintf(hasHead, "x.routes", "x.key") + ` OR ` + fmt.Sprintf(hasBehind, "x.routes", "x.key") + `) THEN 8
		WHEN x.start AND x.r <> ALL (ARRAY(SELECT h.route FROM @.holds h WHERE h.member=0)) THEN 2 ELSE 1 END AS state OFFSET 0) g`

// promoteNext looks first for what is behind, which mostly is nothing. It makes heads of the lowest behind, of routes and keys that have no head, due
// at $3. Whatever has ended the former heads stands before it.
var promoteNext = `WITH u AS (SELECT DISTINCT r, key FROM unnest($1::bigint[],$2::bigint[]) AS u(r,key)), ` + fmt.Sprintf(queuesOf, "$1::bigint[]") + `,
 b AS MATERIALIZED (SELECT DISTINCT ` + fmt.Sprintf(lowestBehind, "q.routes", "u.key") + ` AS number, q.routes, u.key FROM u JOIN queues q ON q.route=u.r),
 n AS MATERIALIZED (SELECT number FROM b WHERE number IS NOT NULL AND NOT ` + fmt.Sprintf(hasHead, "b.routes", "b.key") + `)
UPDATE @.deliveries d SET state=CASE WHEN d.attempts=0 AND d.replay=0 AND d.log='' THEN 1 ELSE 6 END, due=$3
	FROM (SELECT number FROM n ORDER BY number) n WHERE d.number=n.number AND d.state=8 RETURNING d.route, d.number, d.state`

// keyed is a key of a route.
type keyed struct{ route, key int64 }

// promoted is a delivery that has become the head of its key.
type promoted struct {
	route, number int64
	state         int16
}

// promotion is what a transaction has promoted.
type promotion struct {
	// all are due at due.
	all []promoted
	due int64
}

// promote adds to the transaction that those keys get a new head whose head has ended in
// it. It has locked them. Those without a key are left out.
func (t *trip) promote(ended []keyed, now int64) *promotion {
	p := &promotion{due: now}
	var routes, keys []int64
	for _, x := range ended {
		if x.key != 0 {
			routes, keys = append(routes, x.route), append(keys, x.key)
		}
	}
	if len(keys) == 0 {
		return p
	}
	t.do(promoteNext, routes, keys, now).Query(func(rows pgx.Rows) error {
		p.all = nil
		for rows.Next() {
			var x promoted
			if err := rows.Scan(&x.route, &x.number, &x.state); err != nil {
				return err
			}
			p.all = append(p.all, x)
		}
		return rows.Err()
	})
	return p
}

// notePromoted wakes who waits for what was promoted, after the commit.
func (s *Store) notePromoted(p *promotion) {
	for _, x := range p.all {
		if x.state == fresh {
			s.notePassed(x.route, x.number, p.due)
		} else {
			s.noteDue(x.route, p.due)
		}
	}
}
