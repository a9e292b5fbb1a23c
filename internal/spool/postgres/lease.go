package postgres

import (
	"context"
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
	attempts, replay     int32
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
		AND NOT EXISTS (SELECT FROM @.holds WHERE route=$1 AND member=0) ORDER BY due, number LIMIT $3 FOR UPDATE SKIP LOCKED`
	pickInOrder = `SELECT number FROM @.deliveries WHERE route=$1 AND state IN (1,3,6) AND number>$2 AND number<=$8
		AND NOT EXISTS (SELECT FROM @.holds WHERE route=$1 AND member=0) ORDER BY number LIMIT $3 FOR UPDATE SKIP LOCKED`
	startPicked = `WITH c AS MATERIALIZED (%s),
 l AS (UPDATE @.deliveries d SET state=2, fence=$4+c.o, until=$5 FROM (SELECT number, row_number() OVER (ORDER BY number) AS o FROM c) c
	WHERE d.number=c.number RETURNING d.number, d.fence, d.due, d.attempts, d.replay, d.log),
 k AS (INSERT INTO @.counts AS c SELECT $1,$6::bigint,$7::smallint,-count(*),count(*),0 FROM l HAVING count(*)>0
	ON CONFLICT (route,member,link) DO UPDATE SET waiting=c.waiting+excluded.waiting, running=c.running+excluded.running)
SELECT l.number, l.fence, l.due, l.attempts, l.replay, l.log, e.source, e.id, e.type, e.head, e.body FROM l JOIN @.events e ON e.seq=l.number>>12`
	// nextDue are when a route has something to lease next: by now, and by age.
	nextDue = `SELECT coalesce((SELECT due FROM @.deliveries WHERE route=$1 AND state IN (1,3,6) ORDER BY due LIMIT 1), 9223372036854775807),
		coalesce((SELECT until FROM @.deliveries WHERE route=$1 AND state=2 ORDER BY until LIMIT 1), 9223372036854775807)`
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
// attempt, and is due since then.
func (s *Store) Lease(ctx context.Context, p spool.Pick) (spool.Batch, error) {
	if err := s.enter(); err != nil {
		return spool.Batch{}, err
	}
	defer s.exit()
	rt := s.catalog.route(p.Route)
	if rt == nil {
		return spool.Batch{}, ctx.Err()
	}
	n := min(p.N, maxPick)
	if s.mayHaveRunOut(rt.id) {
		if err := s.takeOver(ctx, rt.id, n, p); err != nil {
			return spool.Batch{}, fmt.Errorf("taking over leases: %w", err)
		}
	}
	var b spool.Batch
	var found []leased
	version := s.hintVersion(rt.id)
	due, until := int64(never), int64(never)
	var r reading
	pick := func(after, upTo int64, n int) error {
		return s.calls.run(ctx, false, func() *trip {
			t := s.durably()
			r = s.clock.read()
			var part []leased
			fences, end := s.fence(n), r.age+dur(p.LeaseFor)
			if p.IgnoreDue {
				t.do(leaseInOrder, rt.id, after, n, fences-1, end, s.me, linkCalls, upTo).Query(func(rows pgx.Rows) (err error) {
					part, err = s.readLeased(rows, rt.id)
					return err
				})
			} else {
				t.do(leaseDue, rt.id, r.now, n, fences-1, end, s.me, linkCalls).Query(func(rows pgx.Rows) (err error) {
					part, err = s.readLeased(rows, rt.id)
					return err
				})
			}
			t.do(nextDue, rt.id).QueryRow(func(row pgx.Row) error {
				found = append(found, part...)
				return row.Scan(&due, &until)
			})
			return t
		})
	}
	upTo := p.UpTo
	if upTo == 0 {
		upTo = never
	}
	err := pick(p.After, upTo, n)
	if err == nil && p.IgnoreDue && p.UpTo == 0 && p.After > 0 && len(found) < n {
		err = pick(0, p.After, n-len(found))
	}
	good := s.granted(found, p, r)
	if err != nil {
		s.giveBack(good)
		return spool.Batch{}, err
	}
	s.setHint(rt.id, version, due, until)
	b.Deliveries = good
	if at := (hint{due: due, until: until}).at(r); at != never {
		b.Next = record.Time(at)
	}
	if ctx.Err() != nil {
		s.giveBack(good)
		return spool.Batch{}, ctx.Err()
	}
	return b, nil
}
