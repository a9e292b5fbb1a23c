package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// readLeased reads what a pick has leased. An event that cannot be read is marked, and
// settled as a dead letter by granted.
func (s *Store) readLeased(rows pgx.Rows, route int64) (all []leased, err error) {
	for rows.Next() {
		x := leased{lease: lease{route: route}, event: &spool.Event{}}
		e := x.event
		var source int64
		var head []byte
		if err := rows.Scan(&x.number, &x.key, &x.fence, &x.due, &x.attempts, &x.replay, &x.log, &source, &e.ID, &e.Type, &head, &e.Request.Body); err != nil {
			return nil, err
		}
		e.Seq, e.Source = x.number>>ordinalBits, s.catalog.sourceName(source)
		x.damaged = record.DecodeWhole(head, e) != nil
		all = append(all, x)
	}
	return all, rows.Err()
}

// granted makes deliveries of what was leased, in the order of the pick.
func (s *Store) granted(found []leased, p spool.Pick, r reading) []spool.Delivery {
	slices.SortStableFunc(found, func(a, b leased) int {
		if p.IgnoreDue {
			// A pick that wrapped round goes on behind After first.
			return cmp.Or(cmp.Compare(b2i(a.number <= p.After), b2i(b.number <= p.After)), cmp.Compare(a.number, b.number))
		}
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.number, b.number))
	})
	good := make([]spool.Delivery, 0, len(found))
	if len(found) > 0 {
		s.notLetGo(found[0].route, found)
	}
	for i := range found {
		x := &found[i]
		l := x.lease
		s.leases.add(&l)
		d := spool.Delivery{
			Lease: spool.Lease{Delivery: x.number, Fence: x.fence, Until: r.Now.Add(p.LeaseFor)}, Route: p.Route,
			Event: x.event, Attempts: int(x.attempts), Replay: int(x.replay),
		}
		if x.damaged {
			s.bury(d, r)
			continue
		}
		good = append(good, d)
	}
	if len(good) == 0 {
		return nil
	}
	return good
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// bury makes a dead letter of a delivery whose event cannot be read: left in its queue
// it would be the oldest there for ever.
func (s *Store) bury(d spool.Delivery, r reading) {
	s.log.Error("a stored event is damaged; its delivery is a dead letter", "event", d.Event.Seq, "source", d.Route.Source, "route", d.Route.Route)
	s.calling.Add(1)
	go func() {
		defer s.exit()
		_ = s.settle(context.Background(), spool.Settlement{
			Lease: d.Lease, State: spool.Dead, Reason: reasonDamaged,
			Attempt: spool.Attempt{N: d.Attempts + 1, Start: r.Wall(), Error: reasonDamaged, Free: true},
		})
	}()
}

// giveBack releases what a call has leased when its caller will not learn of it.
func (s *Store) giveBack(ds []spool.Delivery) {
	if len(ds) == 0 {
		return
	}
	all := make([]spool.Lease, len(ds))
	for i, d := range ds {
		all[i] = d.Lease
	}
	s.calling.Add(1)
	go func() {
		defer s.exit()
		_ = s.release(context.Background(), all)
	}()
}

const (
	ranOut    = `SELECT number, fence, attempts, replay, log FROM @.deliveries WHERE route=$1 AND state=2 AND until<=$2 ORDER BY until, number LIMIT 256`
	endRanOut = `WITH u AS (SELECT * FROM unnest($2::bigint[],$3::bigint[],$4::bytea[]) AS u(n,f,log)),
 l AS (UPDATE @.deliveries d SET state=3, attempts=d.attempts+1, due=$5-($6-d.until), log=u.log FROM (SELECT * FROM u ORDER BY n) u
	WHERE d.number=u.n AND d.fence=u.f AND d.state=2 AND d.until<=$6 RETURNING d.number)
INSERT INTO @.counts AS c SELECT $1,$7::bigint,$8::smallint,count(*),-count(*),0 FROM l HAVING count(*)>0
	ON CONFLICT (route,member,link) DO UPDATE SET waiting=c.waiting+excluded.waiting, running=c.running+excluded.running`
)

// takeOver has deliveries whose leases ran out wait again, due since then. Each
// counts the attempt that nobody reported on, as a crash does. Whoever leases them next
// runs them.
func (s *Store) takeOver(ctx context.Context, id int64) error {
	var old []leased
	var r reading
	err := s.calls.run(ctx, true, func() *trip {
		old, r = nil, s.clock.read()
		t := s.relaxedly()
		t.do(ranOut, id, r.age).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var x leased
				if err := rows.Scan(&x.number, &x.fence, &x.attempts, &x.replay, &x.log); err != nil {
					return err
				}
				old = append(old, x)
			}
			return rows.Err()
		})
		return t
	})
	if err != nil || len(old) == 0 {
		return err
	}
	var numbers, fences []int64
	var logs [][]byte
	for _, x := range old {
		numbers, fences = append(numbers, x.number), append(fences, x.fence)
		logs = append(logs, record.AppendAttempt(x.log, spool.Attempt{
			N: int(x.attempts) + 1, Replay: int(x.replay), Start: r.Wall(), Error: reasonLeaseOut,
		}))
	}
	return s.calls.run(ctx, true, func() *trip {
		t := s.durably()
		t.do(endRanOut, id, numbers, fences, logs, r.now, r.age, s.me, linkCalls)
		return t
	})
}
