//go:build linux

package postgres

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

// keyedTo is an intake of one event whose delivery has a key.
func keyedTo(id, key string) spool.Intake {
	in := starting(id)
	in.Routes[0].Key = key
	return in
}

// TestWhatHasNoKeyPaysNothing: neither a lock nor a further statement.
func TestWhatHasNoKeyPaysNothing(t *testing.T) {
	t.Parallel()
	s := &Store{target: Target{Schema: "x"}}
	trip := s.relaxedly()
	before := trip.Len()
	trip.lockKeys(nil)
	trip.lockKeys([]int64{0, 0})
	trip.promote([]keyed{{route: 1}, {route: 2}}, 1)
	if trip.Len() != before {
		t.Errorf("%d further statements, want none", trip.Len()-before)
	}
	if keysOfWishes([]spool.RouteWish{{Route: "a"}, {Route: "b"}}) != nil {
		t.Error("a batch without keys counts as ordered")
	}
	if insertStatement(false, false) != insertNew || insertStatement(true, false) != insertReleased {
		t.Error("a batch without keys is stored as one that is ordered")
	}
}

// withPeer opens two processes on one storage.
func withPeer(t *testing.T) (e *engine, first, peer *Store) {
	t.Helper()
	e, first = openEngine(t, pgtest.Faults{})
	if _, err := e.Peer(t, spooltest.Options{Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	peer = e.peer.st
	if err := peer.Configure(t.Context(), "two", "inbox", []spool.RouteName{{Name: "a"}}); err != nil {
		t.Fatal(err)
	}
	return e, first, peer
}

// behindNow returns which events wait behind another of their key.
func behindNow(t *testing.T, s *Store) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, r := range readAll(t, s, spool.Query{}) {
		all[r.Event.ID] = r.Deliveries[0].Behind
	}
	return all
}

const someoneWaits = `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype='advisory' AND NOT granted)`

// awaitWaiter waits until a session waits for the lock of a key.
func awaitWaiter(t *testing.T, e *engine) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		switch waits, err := pgtest.One[bool](e.pair.Primary(), e.database, someoneWaits); {
		case err != nil:
			t.Fatal(err)
		case waits:
			return
		case time.Now().After(end):
			t.Error("nobody waits for the lock of the key")
			return
		}
	}
}

// TestAKeyIsLockedUntilTheCommit: what another process does to a key waits for a commit
// that is under way, and then sees it.
func TestAKeyIsLockedUntilTheCommit(t *testing.T) {
	t.Parallel()
	t.Run("two are accepted", func(t *testing.T) {
		t.Parallel()
		e, st, peer := withPeer(t)
		blocked, release := e.GateSyncs(0)
		defer release()
		calls := make(chan spool.Receipt, 2)
		accept := func(s *Store, id string) {
			got, err := s.Accept(context.Background(), keyedTo(id, "x"))
			if err != nil {
				t.Error(err)
			}
			calls <- got
		}
		go accept(st, "1")
		<-blocked
		go accept(peer, "2")
		awaitWaiter(t, e)
		release()
		if one, two := <-calls, <-calls; len(one.Running)+len(two.Running) > 1 {
			t.Error("two of a key run")
		}
		if got := behindNow(t, st); got["1"] || !got["2"] {
			t.Errorf("behind are %v, want the second", got)
		}
	})
	t.Run("its head ends", func(t *testing.T) {
		t.Parallel()
		e, st, peer := withPeer(t)
		var heads []spool.Delivery
		for _, in := range []spool.Intake{keyedTo("1", "x"), starting("2")} {
			got, err := st.Accept(t.Context(), in)
			if err != nil || len(got.Running) != 1 {
				t.Fatalf("%v, %v", got, err)
			}
			heads = append(heads, got.Running...)
		}
		blocked, release := e.GateSyncs(0)
		defer release()
		ended := make(chan error, 2)
		go func() {
			_, err := peer.Accept(context.Background(), keyedTo("3", "x"))
			ended <- err
		}()
		<-blocked
		go func() { ended <- st.Settle(context.Background(), settled(heads[0])) }()
		awaitWaiter(t, e)
		// What has no key does not wait along.
		if err := st.Settle(t.Context(), settled(heads[1])); err != nil {
			t.Error(err)
		}
		release()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if got := behindNow(t, st); got["3"] {
			t.Error("the next of a key is behind though its head has ended")
		}
	})
}

// settled is the end of a delivery that was delivered.
func settled(d spool.Delivery) spool.Settlement {
	return spool.Settlement{Lease: d.Lease, State: spool.Delivered, Attempt: spool.Attempt{N: d.Attempts + 1, Start: time.Now(), Status: 200}}
}

// TestNumbersOfAKeyRiseAsItComes: what comes together is numbered in the order in which it
// came, whatever the ids.
func TestNumbersOfAKeyRiseAsItComes(t *testing.T) {
	t.Parallel()
	s := openOn(t, pgtest.Shared(t).Database(t), Options{})
	if err := s.Configure(t.Context(), "one", "inbox", []spool.RouteName{{Name: "a"}}); err != nil {
		t.Fatal(err)
	}
	x := s.accepts.senders[0]
	if err := x.link.take(t.Context()); err != nil { // So that they wait, and go as one batch.
		t.Fatal(err)
	}
	var batch []*intake
	for i := range 20 {
		a := &intake{Intake: keyedTo(fmt.Sprint(99-i), "x")}
		if err := s.complete(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		batch = append(batch, a)
	}
	err := x.round(t.Context(), batch)
	x.link.give()
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range batch {
		if !a.answered() || i > 0 && a.receipt.Seq <= batch[i-1].receipt.Seq {
			t.Errorf("number %d of the batch is event %d, behind %d", i, a.receipt.Seq, batch[max(0, i-1)].receipt.Seq)
		}
		if running := len(a.receipt.Running) > 0; running != (i == 0) {
			t.Errorf("number %d of the batch runs: %v", i, running)
		}
	}
}

// olderMember writes the row of a member whose program knows nothing of order, and which
// has the chores.
const olderMember = `INSERT INTO @.members (member, name, version, began, began_age, seen, age, now, retention, win, max_size, schema)
	SELECT 4711, 'older', '1', began, began_age, seen, age+3600000000000, now, retention, win, max_size, 1 FROM @.members LIMIT 1;
	INSERT INTO @.chores VALUES ('keep', 4711, 9000000000000000000) ON CONFLICT (chore) DO UPDATE SET member=4711, until=excluded.until`

// TestWhatAnOlderMemberEndsIsFollowed: during an upgrade a program that knows nothing of
// order ends the head of a key. The next goes soon, though that one has the chores.
func TestWhatAnOlderMemberEndsIsFollowed(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	s := openOn(t, dsn, Options{beat: 50 * time.Millisecond})
	if err := s.Configure(t.Context(), "one", "inbox", []spool.RouteName{{Name: "a"}, {Name: "b"}}); err != nil {
		t.Fatal(err)
	}
	var running []spool.Delivery
	for _, id := range []string{"1", "2", "3"} {
		got, err := s.Accept(t.Context(), keyedTo(id, "x"))
		if err != nil {
			t.Fatal(err)
		}
		running = append(running, got.Running...)
	}
	if len(running) != 1 {
		t.Fatalf("%d run, want one", len(running))
	}
	tx := begun(t, dsn)
	b := s.catalog.route(spool.RouteKey{Source: "inbox", Route: "b"}).id
	const many = 2*mendStep + mendStep/2
	for _, sql := range []string{
		olderMember, // As it settles:
		fmt.Sprintf(`UPDATE @.deliveries SET state=4, ended=1 WHERE number=%d AND fence=%d AND state=2`, running[0].Lease.Delivery, running[0].Lease.Fence),
		fmt.Sprintf(`INSERT INTO @.deliveries (number, route, key, state, due) SELECT n<<12, %d, (n-%d)*2+1, 8, 0 FROM generate_series(1000001,%d) n`, b, 1000000+many/2, 1000000+many),
	} {
		if _, err := tx.Exec(t.Context(), s.sql(sql)); err != nil {
			t.Fatal(sql, err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{}, 1)
	defer s.Watch(func(k spool.RouteKey) {
		if k.Route == "b" {
			select {
			case told <- struct{}{}:
			default:
			}
		}
	})()
	select {
	case <-told:
	case <-time.After(30 * time.Second):
		t.Fatal("nobody is told of what was stranded")
	}
	// The chore that told goes on to the last key.
	tx = begun(t, dsn)
	defer func() { _ = tx.Rollback(t.Context()) }()
	count := func() (n int) {
		if err := tx.QueryRow(t.Context(), s.sql(`SELECT count(*) FROM @.deliveries WHERE state=8`)).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	end := time.Now().Add(4 * time.Second) // Before its next turn.
	for n := count(); n != 1; n = count() {
		if time.Now().After(end) {
			t.Fatalf("%d are behind, want the third event alone", n)
		}
	}
	got, err := s.Lease(t.Context(), spool.Pick{Owner: "one", LeaseFor: time.Minute, Route: spool.RouteKey{Source: "inbox", Route: "a"}, N: 10})
	if err != nil || len(got.Deliveries) != 1 || got.Deliveries[0].Event.ID != "2" {
		t.Errorf("leased %v, %v, want the second event", got.Deliveries, err)
	}
}
