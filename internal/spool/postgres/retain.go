package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// keepDead is how long dead letters and quarantine are kept, in age.
const keepDead = 30 * 24 * time.Hour

const reasonWaited = "waited longer than retention"

// expiry is a dead letter that retention has made.
type expiry struct{ d spool.Delivery }

// OnExpired implements spool.Store. The member whose commit made a dead letter tells of
// it, so that each is told once.
func (s *Store) OnExpired(f func(d spool.Delivery, reason string)) (stop func()) {
	return s.expired.Add(func(e expiry) { f(e.d, reasonWaited) })
}

// walk goes through the events from the oldest on, once a sweep.
type walk struct {
	s *Store
	r reading
	// retired and evicted are the events up to which all were looked at.
	retired, evicted int64
}

// kept is a delivery of an event that may go.
type kept struct {
	number, route, key, fence, due int64
	state                          int16
	attempts, replay               int32
}

// old is an event that may go, with its deliveries.
type old struct {
	seq, at, source, bytes int64
	id, typ                string
	deliveries             []kept
}

const readOld = `SELECT e.seq, e.at, e.source, e.id, e.type, octet_length(e.head)+octet_length(e.body)+400,
	coalesce(d.number,0), coalesce(d.route,0), coalesce(d.key,0), coalesce(d.fence,0), coalesce(d.due,0), coalesce(d.state,0::smallint), coalesce(d.attempts,0), coalesce(d.replay,0)
	FROM (SELECT seq, at, source, id, type, head, body FROM @.events WHERE seq>$1 ORDER BY seq LIMIT $2) e
	LEFT JOIN @.deliveries d ON d.number BETWEEN e.seq<<12 AND e.seq<<12|4095 ORDER BY e.seq, d.number`

// read reads the next events.
func (w *walk) read(ctx context.Context, after int64) (all []*old, err error) {
	err = w.s.beats.run(ctx, true, func() *trip {
		all = nil
		t := w.s.relaxedly()
		t.do(readOld, after, retireStep).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var e old
				var d kept
				if err := rows.Scan(&e.seq, &e.at, &e.source, &e.id, &e.typ, &e.bytes, &d.number, &d.route, &d.key, &d.fence, &d.due, &d.state, &d.attempts, &d.replay); err != nil {
					return err
				}
				if n := len(all); n == 0 || all[n-1].seq != e.seq {
					all = append(all, &e)
				}
				if d.number != 0 {
					e := all[len(all)-1]
					e.deliveries = append(e.deliveries, d)
				}
			}
			return rows.Err()
		})
		return t
	})
	return all, err
}

// retire removes old events whose deliveries have all ended, and makes dead letters of
// those that still wait. Nothing just goes: what was not delivered stays visible for as
// long as dead letters are kept.
func (w *walk) retire(ctx context.Context) (more bool, err error) {
	all, err := w.read(ctx, w.retired)
	if err != nil {
		return false, err
	}
	before := w.r.age - dur(w.s.fleet.settings().Retention)
	var drop []*old
	var late []overdue
	more = len(all) == retireStep
	for _, e := range all {
		if e.at >= before {
			more = false // Ages rise with the numbers, but for what was under way.
			break
		}
		w.retired = e.seq
		gone, waited := w.judge(e)
		if gone {
			drop = append(drop, e)
		}
		for _, d := range waited {
			late = append(late, overdue{d, e})
		}
	}
	if err := w.expire(ctx, late); err != nil {
		return false, err
	}
	return more, w.drop(ctx, drop)
}

// judge says whether an old event may go, and which of its deliveries have waited for too
// long.
func (w *walk) judge(e *old) (gone bool, late []kept) {
	gone = true
	for _, d := range e.deliveries {
		switch d.state {
		case delivered, discarded:
		case dead:
			gone = gone && d.due < w.r.age-dur(keepDead)
		case running:
			gone = false
		default:
			gone = false
			if !w.isRecentReplay(d) && w.mayExpire(d) {
				late = append(late, d)
			}
		}
	}
	return gone, late
}

// isRecentReplay reports whether a delivery that waits again, as a replay does, became
// due within retention: however old its event is, it has waited only since then.
func (w *walk) isRecentReplay(d kept) bool {
	retention := dur(w.s.fleet.settings().Retention)
	return (d.state == requeued || d.replay > 0) && (d.due >= w.r.now-retention || dur(w.s.clock.sinceJump(w.r)) < retention)
}

// mayExpire reports whether what has waited for too long had its chance while the present
// members ran: an attempt by one of them, or an hour, where its route cannot be tried.
func (w *walk) mayExpire(d kept) bool {
	if d.fence != 0 && w.s.fleet.isLive(d.fence>>32) {
		return true
	}
	return w.r.age-w.s.fleet.oldestBegan() >= dur(min(w.s.fleet.settings().Retention, time.Hour))
}

const expireDeliveries = `WITH u AS (SELECT * FROM unnest($1::bigint[],$2::bigint[],$3::bigint[]) AS u(n,f,due)),
 k AS MATERIALIZED (SELECT d.number FROM @.deliveries d JOIN u ON u.n=d.number WHERE d.fence=u.f AND d.due=u.due AND d.state IN (1,3,6,8) ORDER BY d.number FOR UPDATE OF d SKIP LOCKED),
 l AS (UPDATE @.deliveries d SET state=5, ended=$4, reason=$5, due=$6 FROM k WHERE d.number=k.number RETURNING d.number, d.route),
 c AS (INSERT INTO @.counts AS c SELECT route,$7::bigint,$8::smallint,-count(*),0,count(*) FROM l GROUP BY route ORDER BY route
	ON CONFLICT (route,member,link) DO UPDATE SET waiting=c.waiting+excluded.waiting, dead=c.dead+excluded.dead)
SELECT number FROM l`

// overdue is a delivery that has waited for too long, and its event.
type overdue struct {
	kept
	event *old
}

// expire makes dead letters of what has waited for too long. What waited behind them, and
// may still wait, is due: all of a step end in one commit, so that it is none of those.
func (w *walk) expire(ctx context.Context, late []overdue) error {
	if len(late) == 0 {
		return nil
	}
	var numbers, fences, dues, keys []int64
	var heads []keyed
	byNumber := map[int64]overdue{}
	for _, d := range late {
		numbers, fences, dues = append(numbers, d.number), append(fences, d.fence), append(dues, d.due)
		keys, heads = append(keys, d.key), append(heads, keyed{d.route, d.key})
		byNumber[d.number] = d
	}
	var done []overdue
	var promoted *promotion
	err := w.s.beats.run(ctx, false, func() *trip {
		done = nil
		t := w.s.durably()
		t.lockKeys(keys)
		t.do(expireDeliveries, numbers, fences, dues, nanos(w.r.Wall()), reasonWaited, w.r.age, w.s.me, linkBeats).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var n int64
				if err := rows.Scan(&n); err != nil {
					return err
				}
				done = append(done, byNumber[n])
			}
			return rows.Err()
		})
		promoted = t.promote(heads, w.r.now)
		return t
	})
	if err != nil {
		return err
	}
	w.s.notePromoted(promoted)
	for _, d := range done {
		k := w.s.catalog.key(d.route)
		w.s.expired.Notify(expiry{spool.Delivery{
			Lease: spool.Lease{Delivery: d.number}, Route: k,
			Event:    &spool.Event{Seq: d.event.seq, Source: k.Source, ID: d.event.id, Type: d.event.typ},
			Attempts: int(d.attempts), Replay: int(d.replay),
		}})
	}
	return nil
}

// An event's row is locked before its deliveries are looked at once more, so that a replay
// made meanwhile keeps it: Redeliver locks the same row first.
const (
	lockOld  = `SELECT seq FROM @.events WHERE seq=ANY($1::bigint[]) ORDER BY seq FOR UPDATE`
	dropOlds = `WITH g AS MATERIALIZED (SELECT e.seq, octet_length(e.head)+octet_length(e.body)+400 AS size FROM unnest($1::bigint[]) u(seq) JOIN @.events e ON e.seq=u.seq
	WHERE NOT EXISTS (SELECT FROM @.deliveries d WHERE d.number BETWEEN u.seq<<12 AND u.seq<<12|4095 AND d.state NOT IN (4,5,7))),
 d AS (DELETE FROM @.deliveries d USING g WHERE d.number BETWEEN g.seq<<12 AND g.seq<<12|4095 RETURNING d.route, d.state),
 e AS (DELETE FROM @.events e USING g WHERE e.seq=g.seq),
 c AS (INSERT INTO @.counts AS c SELECT * FROM (
	SELECT route, $2::bigint, $3::smallint, 0::bigint, 0::bigint, -count(*) FROM d WHERE state=5 GROUP BY route
	UNION ALL SELECT -1, $2, $3, -count(*), -coalesce(sum(size),0), 0 FROM g HAVING count(*)>0) x ORDER BY 1
	ON CONFLICT (route,member,link) DO UPDATE SET waiting=c.waiting+excluded.waiting, running=c.running+excluded.running, dead=c.dead+excluded.dead)
SELECT coalesce(sum(size),0)::bigint FROM g`
)

// drop removes events with all their deliveries. Their ids stay for as long as they must.
func (w *walk) drop(ctx context.Context, all []*old) error {
	if len(all) == 0 {
		return nil
	}
	seqs := make([]int64, len(all))
	for i, e := range all {
		seqs[i] = e.seq
	}
	freed := int64(0)
	err := w.s.beats.run(ctx, true, func() *trip {
		t := w.s.durably()
		t.do(lockOld, seqs)
		t.do(dropOlds, seqs, w.s.me, linkBeats).QueryRow(func(row pgx.Row) error { return row.Scan(&freed) })
		return t
	})
	if err == nil {
		w.s.fleet.grown(-freed)
	}
	return err
}

// evict removes the oldest finished events while the store is nearly full, so that it is
// full only by what must not be removed.
func (w *walk) evict(ctx context.Context) (more bool, err error) {
	if !w.s.fleet.nearlyFull() {
		return false, nil
	}
	all, err := w.read(ctx, w.evicted)
	if err != nil {
		return false, err
	}
	var drop []*old
	for _, e := range all {
		done := true
		for _, d := range e.deliveries {
			done = done && (d.state == delivered || d.state == discarded)
		}
		if done {
			drop = append(drop, e)
		}
		w.evicted = e.seq
	}
	return len(all) == retireStep, w.drop(ctx, drop)
}
