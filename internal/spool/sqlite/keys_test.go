package sqlite

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// keyedIntake is an event of a key for a route, which may be born running.
func keyedIntake(n int64, route, key string) spool.Intake {
	e := benchEvent(n)
	e.Digest = sha256.Sum256(e.Request.Body)
	return spool.Intake{
		Event: e, Owner: "o", LeaseFor: time.Hour,
		Routes: []spool.RouteWish{{Route: route, Key: key, Start: true}},
	}
}

// TestKeysOfMovingQueues: while the deliveries of a queue move to another in steps, events
// of their keys come and deliveries end. Of each key one is handed out at a time, of its
// first life in order, also when the process ends before the last has moved.
func TestKeysOfMovingQueues(t *testing.T) {
	t.Parallel()
	const events, keys = 1500, 400
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	if err := s.Configure(bg, "", "inbox", []spool.RouteName{{Name: "old"}, {Name: "new"}}); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	x := &keyWatch{t: t, key: map[int64]int{}, route: map[int64]string{}, running: map[int]spool.Delivery{}, ended: map[int64]bool{}}
	joined := false
	var mu sync.Mutex // guards rng and x while events come at once
	accept := func(n int64) {
		mu.Lock()
		key, route := rng.IntN(keys), []string{"old", "new"}[rng.IntN(2)]
		mu.Unlock()
		in := keyedIntake(n, "new", fmt.Sprint("key ", key))
		if !joined { // What ran when the queues are joined could be two of a key.
			in.Routes[0].Route, in.Routes[0].Start = route, false
		}
		rc, err := s.Accept(bg, in)
		mu.Lock()
		defer mu.Unlock()
		if x.key[rc.Seq], x.route[rc.Seq] = key, route; joined {
			x.route[rc.Seq] = "both"
		}
		if x.seqs = append(x.seqs, rc.Seq); err != nil {
			t.Error(err)
			return
		}
		x.took(rc.Running)
	}
	var coming sync.WaitGroup
	for g := range int64(events / 30) {
		coming.Go(func() {
			for n := range int64(30) {
				accept(g*30 + n)
			}
		})
	}
	coming.Wait()
	step := func(s *Store) (more bool) {
		if err := s.do(bg, true, 0, func(w *writer) (err error) { more, err = w.moveSome(); return err }); err != nil {
			t.Fatal(err)
		}
		return more
	}
	if err := s.do(bg, true, 0, func(w *writer) error {
		return w.configure(w.sources["inbox"], []spool.RouteName{{Name: "new", Was: "old"}})
	}); err != nil {
		t.Fatal(err)
	}
	joined = true
	for n, more := int64(events), true; more || n < events+60; n++ {
		accept(n)
		x.lease(s, 20)
		x.end(s)
		if n == events+5 {
			s.Close()
			if r, err := Check(t.Context(), dir, nil); err != nil || r.Damaged != 0 {
				t.Fatalf("in the middle of a move: %+v, %v", r, err)
			}
			s, x.running = mustOpen(t, dir, Options{}), map[int]spool.Delivery{}
		}
		more = step(s)
	}
	for x.lease(s, 1000) {
		x.end(s)
	}
	if len(x.ended) != len(x.seqs) {
		t.Errorf("%d of %d deliveries have ended: a key is stuck", len(x.ended), len(x.seqs))
	}
	check(t, s)
	if err := s.do(bg, true, 0, func(w *writer) error {
		if rt := w.names[routeName{1, "new"}]; rt.heads.total != 0 || rt.behind.total != 0 || rt.fresh != 0 || rt.later != 0 || len(rt.runs) != 0 || len(rt.parts) != 1 {
			t.Errorf("the queue is %+v, want it empty", rt)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if r, err := Check(t.Context(), dir, nil); err != nil || r.Damaged != 0 {
		t.Errorf("at last: %+v, %v", r, err)
	}
}

// keyWatch sees what is handed out of each key.
type keyWatch struct {
	t    *testing.T
	seqs []int64
	key  map[int64]int
	// route is what each event came for: one of the two, or both in one. Until they are
	// joined, the one knows nothing of the other.
	route   map[int64]string
	running map[int]spool.Delivery
	ended   map[int64]bool
}

func (x *keyWatch) took(ds []spool.Delivery) {
	for _, d := range ds {
		key := x.key[d.Event.Seq]
		if other, ok := x.running[key]; ok {
			x.t.Fatalf("event %d is handed out while event %d of its key runs", d.Event.Seq, other.Event.Seq)
		}
		for _, seq := range x.seqs {
			known := x.route[d.Event.Seq] == "both" || x.route[d.Event.Seq] == x.route[seq]
			if seq < d.Event.Seq && known && x.key[seq] == key && !x.ended[seq] {
				x.t.Fatalf("event %d is handed out before event %d of its key", d.Event.Seq, seq)
			}
		}
		x.running[key] = d
	}
}

func (x *keyWatch) lease(s *Store, n int) bool {
	b, err := s.Lease(bg, spool.Pick{Owner: "o", Route: spool.RouteKey{Source: "inbox", Route: "new"}, N: n, LeaseFor: time.Hour})
	if err != nil {
		x.t.Fatal(err)
	}
	x.took(b.Deliveries)
	return len(b.Deliveries) > 0
}

func (x *keyWatch) end(s *Store) {
	for key, d := range x.running {
		if err := s.Settle(bg, spool.Settlement{Lease: d.Lease, State: spool.Delivered}); err != nil {
			x.t.Fatal(err)
		}
		x.ended[d.Event.Seq] = true
		delete(x.running, key)
	}
}

// TestNoKeysCostNothing: deliveries without a key are in no index of keys, and no
// statement about keys runs for them.
func TestNoKeysCostNothing(t *testing.T) {
	t.Parallel()
	s := openTest(t, t.TempDir(), Options{})
	for n := range int64(20) {
		accept(t, s, benchEvent(n), "a", n%2 == 0)
	}
	b, err := s.Lease(bg, spool.Pick{Owner: "o", Route: spool.RouteKey{Source: "inbox", Route: "a"}, N: 5, LeaseFor: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range b.Deliveries {
		st := spool.Settlement{Lease: d.Lease, State: []spool.State{spool.Delivered, spool.Dead, spool.Retrying}[i%3], Due: time.Now().Add(time.Hour)}
		if err := s.Settle(bg, st); err != nil {
			t.Fatal(err)
		}
	}
	err = s.do(bg, true, 0, func(w *writer) error {
		for name, q := range map[string]*stmt{"headOf": w.q.headOf, "nextOf": w.q.nextOf, "one": w.q.one, "letGo": w.q.letGo} {
			if q.Status(sqlite3.STMTSTATUS_RUN, false) != 0 {
				t.Errorf("the statement %s has run", name)
			}
		}
		for _, index := range []string{"heads WHERE key IS NOT NULL AND state IN (1, 3, 6)", "behind WHERE state=8", "waits WHERE state=8"} {
			if n, err := w.c.one(`SELECT count(*) FROM deliveries INDEXED BY ` + index); n != 0 || err != nil {
				t.Errorf("%d deliveries are in the index %s, %v", n, index, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestUpgrade: a store of the first version is checked, copied and counted as it is, and
// brought to the present one when it is opened. What is documented as the way back leads
// to a store that the first version takes for its own.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	dir := openGolden(t, 1)
	sound := func(when string, deliveries int64) {
		t.Helper()
		r, err := Check(t.Context(), dir, nil)
		for _, what := range r.Damage { // Golden events have digests of their own.
			if !strings.Contains(what, "its body is not the one") {
				t.Errorf("%s: %s", when, what)
			}
		}
		if err != nil || r.Deliveries != deliveries {
			t.Errorf("%s: %+v, %v", when, r, err)
		}
	}
	now := Options{Now: func() time.Time { return goldenTime.Add(time.Minute) }}
	sound("before", 4)
	src, err := OpenCopySource(dir)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := src.Deliveries(bg, func(d record.DeliveryRow) error {
		if n++; d.Key != 0 {
			t.Errorf("delivery %d has the key %d", d.Number, d.Key)
		}
		return nil
	}); err != nil || n != 4 {
		t.Errorf("%d deliveries, %v", n, err)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, dir, now)
	for n := range int64(3) {
		in := keyedIntake(n+1000, "a", "x")
		in.DeliverStale = true
		if _, err := s.Accept(bg, in); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := s.Routes(bg); err != nil || st[0].Waiting+st[0].Running != 5 {
		t.Errorf("routes %+v, %v", st, err)
	}
	s.Close()
	sound("after", 7)
	damage(t, filepath.Join(dir, "spool.db"), `PRAGMA journal_mode=WAL; UPDATE deliveries SET state=1 WHERE state=8; DROP INDEX heads; DROP INDEX behind; DROP INDEX waits;
		ALTER TABLE deliveries DROP COLUMN key; PRAGMA user_version=1`)
	sound("on the way back", 7)
	s = mustOpen(t, dir, now)
	check(t, s)
}

// TestCopyKeepsKeys: what a store is copied to row by row keeps the order.
func TestCopyKeepsKeys(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	s := mustOpen(t, from, Options{})
	for n := range int64(3) {
		if _, err := s.Accept(bg, keyedIntake(n, "a", "x")); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	src, err := OpenCopySource(from)
	if err != nil {
		t.Fatal(err)
	}
	dst, err := NewCopyTarget(to)
	if err != nil {
		t.Fatal(err)
	}
	copyRows(t, src, dst)
	s = mustOpen(t, to, Options{})
	for seq := range int64(3) {
		b, err := s.Lease(bg, spool.Pick{Owner: "o", Route: spool.RouteKey{Source: "inbox", Route: "a"}, N: 10, LeaseFor: time.Hour})
		if err != nil || len(b.Deliveries) != 1 || b.Deliveries[0].Event.Seq != seq+1 {
			t.Fatalf("leased %+v, %v, want event %d alone", b, err, seq+1)
		}
		if err := s.Settle(bg, spool.Settlement{Lease: b.Deliveries[0].Lease, State: spool.Delivered}); err != nil {
			t.Fatal(err)
		}
	}
}

// copyRows copies a store as package storecopy does.
func copyRows(t *testing.T, src *CopySource, dst *CopyTarget) {
	t.Helper()
	ctx := context.Background()
	h, err := src.Head(ctx)
	if err == nil {
		err = dst.PutHead(ctx, h)
	}
	for _, f := range []func() error{
		func() error {
			return src.Events(ctx, func(e record.EventRow) error { return dst.PutEvents(ctx, []record.EventRow{e}) })
		},
		func() error {
			return src.Deliveries(ctx, func(d record.DeliveryRow) error { return dst.PutDeliveries(ctx, []record.DeliveryRow{d}) })
		},
		func() error {
			return src.IDs(ctx, func(i record.IDRow) error { return dst.PutIDs(ctx, []record.IDRow{i}) })
		},
		func() error { return dst.FlushIDs(ctx) },
		func() error { return dst.Finish(ctx) },
		src.Close,
	} {
		if err == nil {
			err = f()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
