package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// goneAfter is for how long, in age, a member must have been silent before its row goes.
// Should it come back, it writes a new one.
const goneAfter = 10 * time.Minute

// Rows of a member that is gone. Its counts go over to member 0, so that their sums stay;
// how far it had come stays in meta. Its leases run out by themselves.
const (
	saveTimes = `UPDATE @.meta m SET value=greatest(m.value, x.v) FROM (SELECT k, max(v) AS v FROM (SELECT 'age' AS k, max(age) AS v FROM @.members UNION ALL SELECT 'now', max(now) FROM @.members
		UNION ALL SELECT 'age', max(running) FROM @.counts WHERE route=-3 UNION ALL SELECT 'now', max(waiting) FROM @.counts WHERE route=-3) y GROUP BY k) x WHERE m.name=x.k`
	foldCount = `WITH d AS (DELETE FROM @.counts WHERE member=$1 RETURNING route,link,waiting,running,dead)
		INSERT INTO @.counts AS c SELECT route,0,0,sum(waiting),sum(running),sum(dead) FROM d WHERE route<>-3 GROUP BY route ORDER BY route
		ON CONFLICT (route,member,link) DO UPDATE SET waiting=c.waiting+excluded.waiting, running=c.running+excluded.running, dead=c.dead+excluded.dead`
	dropMember = `DELETE FROM @.members WHERE member=$1`
)

// leave ends this process's part, at a clean stop. Where the database does not answer,
// others do it later.
func (s *Store) leave() {
	s.catalog.mu.Lock()
	for _, src := range s.catalog.sources {
		src.saved = 0
	}
	s.catalog.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	_ = s.fold(ctx, s.calls, s.me)
}

// leaveWithin bounds the last round trip of a process.
const leaveWithin = 2 * time.Second

// fold removes a member.
func (s *Store) fold(ctx context.Context, l *link, n int64) error {
	if n == 0 {
		return nil
	}
	return l.run(ctx, true, func() *trip {
		t := s.relaxedly()
		r := s.clock.read()
		t.do(`UPDATE @.members SET age=greatest(age,$2), now=greatest(now,$3) WHERE member=$1`, s.me, r.age, r.now)
		t.do(saveTimes)
		if newest := s.unsavedNewest(); len(newest) > 0 {
			t.do(saveNewest, newest)
		}
		t.do(foldCount, n)
		t.do(dropMember, n)
		t.do(bump)
		return t
	})
}

// foldGone removes members that have been silent for long.
func (s *Store) foldGone(ctx context.Context, r reading) error {
	for _, m := range s.fleet.sorted() {
		if m.Number != s.me && m.age < r.age-dur(goneAfter) {
			if err := s.fold(ctx, s.beats, m.Number); err != nil {
				return err
			}
		}
	}
	return nil
}

// heldBy returns the routes that a member holds.
func (c *catalog) heldBy(member int64) (all []spool.RouteKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, rt := range c.routes {
		if rt != nil && rt.id == id && rt.holds[member] != nil {
			all = append(all, rt.key)
		}
	}
	sortKeys(all)
	return all
}

func sortKeys(all []spool.RouteKey) {
	slices.SortFunc(all, func(a, b spool.RouteKey) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Route, b.Route))
	})
}
