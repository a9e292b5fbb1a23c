//go:build linux

package postgres

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// TestKeysOfTwoMembersNeverWaitInACircle: accepts, ends and replays of two processes lock
// many keys at once. The server finds no circle, and all ends.
func TestKeysOfTwoMembersNeverWaitInACircle(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	x := newKeyStorm(t, dsn)
	x.play()
	for _, s := range x.stores {
		if err := s.Close(); err != nil { // So that the server knows what its sessions have counted.
			t.Error(err)
		}
	}
	tx := begun(t, dsn)
	defer func() { _ = tx.Rollback(t.Context()) }()
	var circles int
	if err := tx.QueryRow(t.Context(), `SELECT deadlocks FROM pg_stat_database WHERE datname=current_database()`).Scan(&circles); err != nil {
		t.Fatal(err)
	}
	if circles != 0 {
		t.Errorf("%d waited in a circle", circles)
	}
}

// TestKeysThroughAPooler: a pooler that gives each transaction another session leaves no
// lock behind, and takes none away.
func TestKeysThroughAPooler(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	database, err := c.CreateDatabase()
	if err != nil {
		t.Fatal(err)
	}
	pooler := pgtest.StartBouncer(t, c, pgtest.BouncerOptions{Mode: "transaction"})
	x := newKeyStorm(t, pooler.DSN(database)+"&default_query_exec_mode=cache_describe")
	x.play()
	if held, err := pgtest.One[int](c, database, `SELECT count(*)::int FROM pg_locks WHERE locktype='advisory' AND database=(SELECT oid FROM pg_database WHERE datname=current_database())`); err != nil || held != 0 {
		t.Errorf("%d locks of keys are left, %v", held, err)
	}
}

// keyStorm is what two processes do to the keys of three routes.
type keyStorm struct {
	*testing.T
	stores []*Store
	mu     sync.Mutex // guards all below
	seqs   []int64
	now    map[string]string // the event that runs, of each route and key
}

// newKeyStorm opens the two processes.
func newKeyStorm(t *testing.T, dsn string) *keyStorm {
	t.Helper()
	x := &keyStorm{T: t, stores: []*Store{openOn(t, dsn, Options{Batches: 2}), openOn(t, dsn, Options{Batches: 2})}, now: map[string]string{}}
	for i, s := range x.stores {
		if err := s.Configure(t.Context(), spool.Owner(fmt.Sprint(i)), "inbox", []spool.RouteName{{Name: "a"}, {Name: "b"}, {Name: "c"}}); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

// play has both do what comes, until all has ended.
func (x *keyStorm) play() {
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() { x.playOne(x.stores[i%2], rand.New(rand.NewPCG(uint64(i), 1)), i) })
	}
	wg.Wait()
	x.drain()
}

func (x *keyStorm) playOne(s *Store, rng *rand.Rand, me int) {
	for i := range 40 {
		keys := [3]int{rng.IntN(60), rng.IntN(60), rng.IntN(60)}
		in := starting(fmt.Sprintf("%d %d %d %d %d", me, i, keys[0], keys[1], keys[2])) // The id tells the keys.
		in.Routes = nil
		for k, route := range []string{"a", "b", "c"} {
			w := spool.RouteWish{Route: route, Start: rng.IntN(2) == 0}
			if keys[k] > 0 {
				w.Key = fmt.Sprint(keys[k])
			}
			in.Routes = append(in.Routes, w)
		}
		got, err := s.Accept(x.Context(), in)
		if err != nil {
			x.Error(err)
			return
		}
		x.mu.Lock()
		x.seqs = append(x.seqs, got.Seq)
		again := x.seqs[rng.IntN(len(x.seqs))]
		x.mu.Unlock()
		x.settle(s, got.Running, rng)
		x.lease(s, rng)
		switch rng.IntN(6) {
		case 0:
			_, err = s.Redeliver(x.Context(), again, spool.RouteWish{})
		case 1:
			_, err = s.Discard(x.Context(), again, "")
		}
		if err != nil {
			x.Error(err)
		}
	}
}

func (x *keyStorm) lease(s *Store, rng *rand.Rand) (n int) {
	for _, route := range []string{"a", "b", "c"} {
		got, err := s.Lease(x.Context(), spool.Pick{Owner: "one", LeaseFor: time.Minute, Route: spool.RouteKey{Source: "inbox", Route: route}, N: 20})
		if err != nil {
			x.Error(err)
		}
		n += len(got.Deliveries)
		x.settle(s, got.Deliveries, rng)
	}
	return n
}

// turn notes that a delivery runs, or has ended, and returns what else of its key runs.
func (x *keyStorm) turn(d spool.Delivery, begins bool) (other string) {
	parts := strings.Fields(d.Event.ID)
	key := parts[2+int(d.Route.Route[0]-'a')]
	if key == "0" {
		return ""
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if key = d.Route.Route + key; begins {
		other = x.now[key]
		x.now[key] = d.Event.ID
	} else {
		delete(x.now, key)
	}
	return other
}

// settle ends deliveries, at the same time.
func (x *keyStorm) settle(s *Store, all []spool.Delivery, rng *rand.Rand) {
	var wg sync.WaitGroup
	for _, d := range all {
		if other := x.turn(d, true); other != "" {
			x.Errorf("event %q is handed out while %q of its key runs", d.Event.ID, other)
		}
		end := settled(d)
		if rng.IntN(4) == 0 {
			end.State, end.Reason = spool.Dead, "refused"
		}
		wg.Go(func() {
			x.turn(d, false)
			if err := s.Settle(x.Context(), end); err != nil {
				x.Error(err)
			}
		})
	}
	wg.Wait()
}

// drain ends all that waits.
func (x *keyStorm) drain() {
	rng := rand.New(rand.NewPCG(1, 1))
	for x.lease(x.stores[0], rng) > 0 {
	}
	if left := readAll(x.T, x.stores[1], spool.Query{Waiting: true}); len(left) > 0 {
		x.Errorf("%d wait for ever", len(left))
	}
}
