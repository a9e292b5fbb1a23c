package sqlite

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

func TestGenerationIsInOrder(t *testing.T) {
	t.Parallel()
	for n := 1; n < 70; n++ {
		g := newGeneration()
		var want []idKey
		for i, p := range rand.Perm(n) {
			k := idKey{int64(p % 3), fmt.Sprintf("evt_%03d", p)}
			g.add(k, knownID{seq: int64(i + 1)}, 8)
			want = append(want, k)
		}
		slices.SortFunc(want, idKey.compare)
		g.begin()
		var got []idKey
		for len(g.runs) > 0 {
			got = append(got, g.next())
		}
		if !slices.Equal(got, want) || g.last != int64(n) {
			t.Fatalf("of %d ids got %v, last %d", n, got, g.last)
		}
	}
}

// other has the id of event n and a body of its own.
func other(n, version int64) *spool.Event {
	e := benchEvent(n)
	e.Digest = benchEvent(n + version<<40).Digest
	return e
}

// TestPowerCutInMerge stops the power at each sync while ids are gathered and
// merged twice over, with conflicts of recent and of merged ids between. After
// each stop every id that was acknowledged is known with its number, and just
// as many of its conflicts have been counted.
func TestPowerCutInMerge(t *testing.T) {
	t.Parallel()
	for after := 0; ; after++ {
		if powerCutInMerge(t, after) {
			if after < 40 {
				t.Errorf("only %d syncs", after)
			}
			return
		}
	}
}

type told struct {
	seqs      map[int64]int64
	conflicts int64 // of event 1
}

func powerCutInMerge(t *testing.T, after int) (finished bool) {
	e := newEngine(t)
	e.lim = tiny
	s, err := e.Open(t, spooltest.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	blocked, open := e.GateSyncs(after)
	done := make(chan told, 1)
	go func() { done <- tell(s) }()
	var was told
	select {
	case <-blocked:
		e.PowerCut(t)
		was = <-done
	case was = <-done:
		finished = true
		open()
		e.PowerCut(t)
	}
	if s, err = e.Open(t, spooltest.Options{Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	for n, seq := range was.seqs {
		if rc, err := s.Accept(bg, spool.Intake{Event: benchEvent(n)}); err != nil || rc.Verdict != spool.Duplicate || rc.Seq != seq {
			t.Errorf("after sync %d: event %d of number %d is %+v, %v", after, n, seq, rc, err)
		}
	}
	if was.seqs[1] != 0 {
		counted := count(t, e.st, fmt.Sprintf("SELECT sum(conflicts) FROM ids WHERE seq=%d", was.seqs[1]))
		if counted != was.conflicts && counted != was.conflicts+1 {
			t.Errorf("after sync %d: %d conflicts are counted, %d were told", after, counted, was.conflicts)
		}
	}
	for n := int64(1000); n < 1030; n++ {
		accept(t, e.st, benchEvent(n), "a", false)
	}
	if n := count(t, e.st, "SELECT count(*) FROM ids"); n < 8 {
		t.Errorf("after sync %d: only %d ids were merged", after, n)
	}
	if n := count(t, e.st, "SELECT count(*) FROM ids i, events e WHERE i.seq=e.seq AND (i.id<>e.id OR i.digest<>substr(e.head, 2, 32))"); n != 0 {
		t.Errorf("after sync %d: %d ids are not those of their events", after, n)
	}
	for n, seq := range was.seqs {
		if rc, err := s.Accept(bg, spool.Intake{Event: other(n, 99)}); err != nil || rc.Verdict != spool.Conflict {
			t.Errorf("after sync %d: another body of event %d (%d) is %+v, %v", after, n, seq, rc, err)
		}
	}
	check(t, e.st)
	e.Kill(t)
	return finished
}

// tell accepts until something fails.
func tell(s spool.Store) told {
	w := told{seqs: map[int64]int64{}}
	for n := int64(1); n <= 40; n++ {
		rc, err := s.Accept(bg, spool.Intake{Event: benchEvent(n)})
		if err != nil {
			return w
		}
		w.seqs[n] = rc.Seq
		if n%6 != 0 {
			continue
		}
		if rc, err := s.Accept(bg, spool.Intake{Event: other(1, n)}); err != nil || rc.Verdict != spool.Conflict {
			return w
		}
		w.conflicts++
	}
	return w
}

func count(t testing.TB, s *Store, sql string) (n int64) {
	t.Helper()
	if err := s.logs.read(bg, func(c *conn) (err error) {
		n, err = c.one(sql)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRecentIDsLeave: an id outlives its event, and ends with its window, also
// where neither had been merged when that came.
func TestRecentIDsLeave(t *testing.T) {
	t.Parallel()
	for _, lim := range []limits{{}, tiny, {recent: 2, run: 1}} {
		var now atomic.Int64
		now.Store(time.Now().UnixNano())
		o := Options{
			Now: func() time.Time { return time.Unix(0, now.Load()) }, limits: lim,
			Settings: spool.Settings{Retention: time.Hour, Window: 24 * time.Hour},
		}
		dir := t.TempDir()
		s := mustOpen(t, dir, o)
		in := func(n int64) spool.Intake {
			e := benchEvent(n)
			e.CreatedAt = time.Time{}
			return spool.Intake{Event: e}
		}
		expect := func(want spool.Verdict) {
			t.Helper()
			for n := range int64(11) {
				if rc, err := s.Accept(bg, in(n)); err != nil || rc.Verdict != want {
					t.Fatalf("%+v: event %d is %v, %v, want %v", lim, n, rc.Verdict, err, want)
				}
			}
		}
		later := func(d time.Duration) {
			t.Helper()
			now.Add(int64(d))
			if err := s.Sweep(bg); err != nil {
				t.Fatal(err)
			}
			s.Close()
			s = mustOpen(t, dir, o)
		}
		expect(spool.Accepted)
		later(2 * time.Hour)
		if n := count(t, s, "SELECT count(*) FROM events"); n != 0 {
			t.Fatalf("%d events are left", n)
		}
		expect(spool.Duplicate)
		later(23 * time.Hour)
		if n := count(t, s, "SELECT count(*) FROM ids"); n != 0 {
			t.Errorf("%+v: %d ids are left", lim, n)
		}
		expect(spool.Accepted)
		// Now the events outlive their ids.
		o.Settings.Retention = 100 * time.Hour
		later(0)
		later(25 * time.Hour)
		if n := count(t, s, "SELECT count(*) FROM events"); n != 11 {
			t.Errorf("%d events are left", n)
		}
		expect(spool.Accepted)
		check(t, s)
		s.Close()
	}
}

// TestRecentIDsAreBounded: stops in the middle of merges do not add up.
func TestRecentIDsAreBounded(t *testing.T) {
	t.Parallel()
	dir, n := t.TempDir(), int64(0)
	for range 30 {
		s := mustOpen(t, dir, Options{limits: tiny})
		for range 3 {
			n++
			accept(t, s, benchEvent(n), "a", false)
		}
		if err := s.do(bg, false, 0, func(w *writer) error {
			if size := w.recent.size(); size > tiny.recent*5/2 {
				t.Errorf("%d recent ids after %d events", size, n)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	s := mustOpen(t, dir, Options{limits: tiny})
	for i := range n {
		if rc, err := s.Accept(bg, spool.Intake{Event: benchEvent(i + 1)}); err != nil || rc.Verdict != spool.Duplicate {
			t.Errorf("event %d is %v, %v", i+1, rc.Verdict, err)
		}
	}
}
