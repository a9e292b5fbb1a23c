package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// sweepEvery is how often a member looks for what may go.
	sweepEvery = 5 * time.Second
	// choreFor is for how long, in age, a member has the chores before another may take
	// them. Every step is safe beside another runner of it.
	choreFor = 15 * time.Second
	// Bounds of one step, in ids and events.
	forgetStep = 1000
	retireStep = 200
)

const claimChores = `INSERT INTO @.chores AS c VALUES ('keep', $1, $2) ON CONFLICT (chore) DO UPDATE SET member=$1, until=$2 WHERE c.until<$3 OR c.member=$1`

// keep does the chores, where no other member does, until the last call has ended.
func (s *Store) keep() {
	defer s.goroutines.Done()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.crowded: // Events come faster than a tick could make room.
		case <-s.callsEnded:
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), choreFor)
		// A member that knows nothing of order may have the chores.
		_ = s.mend(ctx)
		if mine, err := s.claim(ctx); err == nil && mine {
			_ = s.sweep(ctx) // The next tick tries again.
		}
		cancel()
	}
}

// claim takes the chores, unless another live member has them.
func (s *Store) claim(ctx context.Context) (mine bool, err error) {
	err = s.beats.run(ctx, true, func() *trip {
		t := s.relaxedly()
		r := s.clock.read()
		t.do(claimChores, s.me, r.age+dur(choreFor), r.age).Exec(func(ct pgconn.CommandTag) error {
			mine = ct.RowsAffected() > 0
			return nil
		})
		return t
	})
	return mine, err
}

// Sweep does at once what the store does by itself every few seconds, and returns when
// nothing more is to be removed. It is for tests.
func (s *Store) Sweep(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.exit()
	if err := s.beatNow(ctx, s.beats); err != nil {
		return err
	}
	if err := errors.Join(s.mend(ctx), s.sweep(ctx)); err != nil {
		return err
	}
	return s.beatNow(ctx, s.beats)
}

// sweep takes step after step until nothing is left to do.
func (s *Store) sweep(ctx context.Context) error {
	r := s.clock.read()
	if err := s.foldGone(ctx, r); err != nil {
		return err
	}
	w := &walk{s: s, r: r}
	for _, chore := range []func(context.Context) (bool, error){s.forget, w.retire, s.dropOldOdd, w.evict, s.move} {
		for more := true; more; {
			if s.isClosing() && ctx.Err() != nil {
				return spool.ErrClosed
			}
			var err error
			if more, err = chore(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) move(ctx context.Context) (bool, error) { return s.moveSome(ctx, s.beats, linkBeats) }

// The same commit raises the watermark of a source to the newest created_at among the ids
// that go: nothing up to it is fresh from then on.
const forgetIDs = `WITH o AS MATERIALIZED (SELECT source, id FROM @.ids WHERE base<$1 LIMIT $2),
 k AS MATERIALIZED (SELECT i.source, i.id FROM @.ids i JOIN o ON o.source=i.source AND o.id=i.id ORDER BY i.source, i.id FOR UPDATE OF i SKIP LOCKED),
 g AS (DELETE FROM @.ids i USING k WHERE i.source=k.source AND i.id=k.id RETURNING i.source, i.created),
 s AS (UPDATE @.sources s SET watermark=greatest(s.watermark, x.mark) FROM (SELECT source, max(created) AS mark FROM g WHERE created<>0 GROUP BY source ORDER BY source) x WHERE s.source=x.source),
 c AS (INSERT INTO @.counts AS c SELECT -1,$3::bigint,$4::smallint,0,0,-count(*) FROM g HAVING count(*)>0
	ON CONFLICT (route,member,link) DO UPDATE SET dead=c.dead+excluded.dead)
SELECT count(*) FROM g`

// forget removes ids by age, a window after the later one of their receipt and their
// created_at. The window is the largest of the live members.
func (s *Store) forget(ctx context.Context) (bool, error) {
	n := 0
	err := s.beats.run(ctx, true, func() *trip {
		t := s.durably()
		t.do(forgetIDs, s.clock.read().age-dur(s.fleet.settings().Window), forgetStep, s.me, linkBeats).
			QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
		t.do(readSources).Query(s.followMarks)
		return t
	})
	return n == forgetStep, err
}

const dropOdd = `WITH g AS (DELETE FROM @.quarantine WHERE number IN (SELECT number FROM @.quarantine WHERE number<$1 ORDER BY number LIMIT $2) AND at<$3 RETURNING size),
 c AS (INSERT INTO @.counts AS c SELECT 0,$4::bigint,$5::smallint,-count(*),-coalesce(sum(size),0),0 FROM g HAVING count(*)>0
	ON CONFLICT (route,member,link) DO UPDATE SET waiting=c.waiting+excluded.waiting, running=c.running+excluded.running)
SELECT count(*) FROM g`

// dropOldOdd removes the oldest entries of quarantine once they were kept long enough.
func (s *Store) dropOldOdd(ctx context.Context) (bool, error) {
	n := 0
	err := s.beats.run(ctx, true, func() *trip {
		t := s.durably()
		t.do(dropOdd, int64(never), retireStep, s.clock.read().age-dur(keepDead), s.me, linkBeats).
			QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
		return t
	})
	return n == retireStep, err
}
