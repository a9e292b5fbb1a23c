package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

const (
	reasonLeaseOut = "lease ran out"
	reasonDamaged  = "stored event is damaged"
	// maxPick bounds what one call leases.
	maxPick = 1024
)

// leases are the running deliveries of this process, so that a settle need not read what
// was leased with them.
type leases struct {
	mu  sync.Mutex // guards all
	all map[int64]*lease
}

// lease is a running delivery of this process. It does not change.
type lease struct {
	number, fence, route int64
	// key is what orders it, 0 for nothing.
	key              int64
	attempts, replay int32
	// log are its packed attempts.
	log []byte
}

func (l *leases) add(x *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[int64]*lease{}
	}
	l.all[x.number] = x
}

// find returns the lease, nil where this process has not got it any more.
func (l *leases) find(x spool.Lease) *lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	if mine := l.all[x.Delivery]; mine != nil && mine.fence == x.Fence {
		return mine
	}
	return nil
}

// drop forgets a lease.
func (l *leases) drop(x *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all[x.number] == x {
		delete(l.all, x.number)
	}
}

const (
	pickDue = `SELECT number FROM @.deliveries WHERE route=$1 AND state IN (1,3,6) AND due<=$2
		AND NOT EXISTS (SELECT FROM @.holds WHERE route=$1 AND member=0) AND NOT EXISTS (SELECT FROM @.deliveries WHERE route=$1 AND state=2 AND until<=$8)
		ORDER BY due, number LIMIT $3 FOR UPDATE SKIP LOCKED`
	pickInOrder = `SELECT number FROM @.deliveries WHERE (route,number)>($1,$2) AND (route,number)<=($1,$9) AND state IN (1,3,6)
		AND NOT EXISTS (SELECT FROM @.holds WHERE route=$1 AND member=0) AND NOT EXISTS (SELECT FROM @.deliveries WHERE route=$1 AND state=2 AND until<=$8)
		ORDER BY route, number LIMIT $3 FOR UPDATE SKIP LOCKED`
	startPicked = `WITH c AS MATERIALIZED (%s),
 l AS (UPDATE @.deliveries d SET state=2, fence=$4+c.o, until=$5 FROM (SELECT number, row_number() OVER (ORDER BY number) AS o FROM c) c
	WHERE d.number=c.number RETURNING d.number, coalesce(d.key,0) AS key, d.fence, d.due, d.attempts, d.replay, d.log),
 k AS (INSERT INTO @.counts AS c SELECT $1,$6::bigint,$7::smallint,-count(*),count(*),0 FROM l HAVING count(*)>0
	ON CONFLICT (route,member,link) DO UPDATE SET waiting=c.waiting+excluded.waiting, running=c.running+excluded.running)
SELECT l.number, l.key, l.fence, l.due, l.attempts, l.replay, l.log, e.source, e.id, e.type, e.head, e.body FROM l JOIN @.events e ON e.seq=l.number>>12`
	// nextDue are when a route has something to lease next: by now, and by age, and by now
	// without the deliveries $2.
	nextDue = `SELECT coalesce((SELECT due FROM @.deliveries WHERE route=$1 AND state IN (1,3,6) ORDER BY due LIMIT 1), 9223372036854775807),
		coalesce((SELECT until FROM @.deliveries WHERE route=$1 AND state=2 ORDER BY until LIMIT 1), 9223372036854775807),
		coalesce((SELECT due FROM @.deliveries WHERE route=$1 AND state IN (1,3,6) AND number<>ALL($2::bigint[]) ORDER BY due LIMIT 1), 9223372036854775807)`
)

var leaseDue, leaseInOrder = fmt.Sprintf(startPicked, pickDue), fmt.Sprintf(startPicked, pickInOrder)

// leased is a delivery that a pick has found.
type leased struct {
	lease
	due     int64
	event   *spool.Event
	damaged bool
}

// Lease implements spool.Store. Leases that ran out are taken over first: each counts an
// attempt, and is due since then. A pick that finds one hands out nothing, so that what
// is newer does not overtake it.
func (s *Store) Lease(ctx context.Context, p spool.Pick) (spool.Batch, error) {
	if err := s.enter(); err != nil {
		return spool.Batch{}, err
	}
	defer s.exit()
	rt := s.catalog.route(p.Route)
	if rt == nil {
		return spool.Batch{}, ctx.Err()
	}
	k := &picking{s: s, p: p, route: rt.id, n: min(p.N, maxPick)}
	for tries := 0; ; tries++ {
		if tries > 0 || s.mayHaveRunOut(rt.id) {
			if err := s.takeOver(ctx, rt.id); err != nil {
				return spool.Batch{}, fmt.Errorf("taking over leases: %w", err)
			}
		}
		err := k.pick(ctx)
		if err == nil && len(k.found) == 0 && k.until <= k.r.age && tries < mostTakeOvers {
			continue
		}
		good := s.granted(k.found, p, k.r)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			s.giveBack(good)
			return spool.Batch{}, err
		}
		s.setHint(rt.id, k.version, k.counts, k.until)
		b := spool.Batch{Deliveries: good}
		if at := (hint{due: k.due, until: k.until}).at(k.r); at != never {
			b.Next = record.Time(at)
		}
		return b, nil
	}
}

// mostTakeOvers bounds the round trips of one call where leases run out faster than they
// are taken over.
const mostTakeOvers = 8

// picking is one pick.
type picking struct {
	s       *Store
	p       spool.Pick
	route   int64
	n       int
	version hintVersion
	// found is what was leased, at r. due and until are when the route has more;
	// counts is due without what was just let go.
	found              []leased
	r                  reading
	due, until, counts int64
}

// pick leases what is asked for: behind After first, and then, unless the pick ends at a
// number, from the oldest on.
func (k *picking) pick(ctx context.Context) error {
	k.found, k.version, k.due, k.until, k.counts = nil, k.s.hintVersion(k.route), never, never, never
	upTo := k.p.UpTo
	if upTo == 0 && !k.p.IgnoreDue {
		k.s.take(k.route, k.version, k.n)
		defer k.s.free(k.route)
	}
	if upTo == 0 {
		upTo = never
	}
	err := k.part(ctx, k.p.After, upTo, k.n)
	if err == nil && k.p.IgnoreDue && k.p.UpTo == 0 && k.p.After > 0 && len(k.found) < k.n {
		err = k.part(ctx, 0, k.p.After, k.n-len(k.found))
	}
	return err
}

// part leases at most n deliveries of those behind after, up to a number. Where the
// outcome of a try is unknown, the next one begins with what it has left.
func (k *picking) part(ctx context.Context, after, upTo int64, n int) error {
	first := k.s.fence(n)
	for tries := 0; ; tries++ {
		err := k.once(ctx, after, upTo, n, first)
		if err == nil || tries == 2 || ctx.Err() != nil || !errors.Is(err, errUnknown) {
			return err
		}
		left, err := k.left(ctx, first, n)
		if err != nil {
			return err
		}
		k.found, n = append(k.found, left...), n-len(left)
		if n == 0 {
			return nil
		}
		first = k.s.fence(n)
	}
}

// once leases under the fences from first on.
func (k *picking) once(ctx context.Context, after, upTo int64, n int, first int64) error {
	s := k.s
	return s.calls.run(ctx, false, func() *trip {
		t := s.durably()
		k.r = s.clock.read()
		var part []leased
		end := k.r.age + dur(k.p.LeaseFor)
		read := func(rows pgx.Rows) (err error) {
			part, err = s.readLeased(rows, k.route)
			return err
		}
		if k.p.IgnoreDue {
			t.do(leaseInOrder, k.route, after, n, first-1, end, s.me, linkCalls, k.r.age, upTo).Query(read)
		} else {
			t.do(leaseDue, k.route, k.r.now, n, first-1, end, s.me, linkCalls, k.r.age).Query(read)
		}
		t.do(nextDue, k.route, s.passed(k.route, k.r)).QueryRow(func(row pgx.Row) error {
			k.found = append(k.found, part...)
			return row.Scan(&k.due, &k.until, &k.counts)
		})
		return t
	})
}

const leasedBefore = `SELECT d.number, coalesce(d.key,0), d.fence, d.due, d.attempts, d.replay, d.log, e.source, e.id, e.type, e.head, e.body
	FROM @.deliveries d JOIN @.events e ON e.seq=d.number>>12 WHERE d.route=$1 AND d.state=2 AND d.fence>=$2 AND d.fence<$3`

// left returns what a pick under the n fences from first on has leased, whose answer did
// not come. What its server may yet commit is free when its lease has run out.
func (k *picking) left(ctx context.Context, first int64, n int) (found []leased, err error) {
	err = k.s.calls.run(ctx, true, func() *trip {
		t := k.s.durably()
		t.do(leasedBefore, k.route, first, first+int64(n)).Query(func(rows pgx.Rows) (err error) {
			found, err = k.s.readLeased(rows, k.route)
			return err
		})
		return t
	})
	return found, err
}
