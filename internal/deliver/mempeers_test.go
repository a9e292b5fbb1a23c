package deliver

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest/memstore"
)

// Two members on a shared store of the contract: one loses its way to the app, an
// operator holds and resumes from the other, and one is killed in the middle of its
// attempts. What it had is repeated within a lease, and all else comes once.
func TestMembersOnAStoreOfTheContract(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := memstore.MakeShared()(t)
		options := spooltest.Options{Now: func() time.Time { return time.Now().Round(0) }}
		a, err := engine.Open(t, options)
		must(t, err)
		b, err := engine.(spooltest.Sharer).Peer(t, options)
		must(t, err)
		up := &counting{up: true, seen: map[string]int{}}
		ill := &counting{up: true, seen: map[string]int{}}
		stuck := false // guarded by ill.mu
		own := UpstreamFunc(func(ctx context.Context, at Attempt) Answer {
			ill.mu.Lock()
			well, hangs := ill.up, stuck
			ill.mu.Unlock()
			switch {
			case hangs:
				return hang(ctx, at)
			case !well:
				return refused
			}
			return up.Attempt(ctx, at)
		})
		start := func(s spool.Store, u Upstream) *Dispatcher {
			owner := NewOwner()
			must(t, s.Configure(t.Context(), owner, app.Source, []spool.RouteName{{Name: app.Route}}))
			d, err := New(Config{Store: s, Owner: owner, Routes: []Route{{Key: app, Upstream: u}}, Log: slog.New(slog.DiscardHandler)})
			must(t, err)
			d.Start()
			return d
		}
		da, db := start(a, up), start(b, own)
		time.Sleep(2 * time.Second)
		sent := 0
		send := func(n int) {
			for range n {
				sent += 2
				acceptOn(t, a, da, fmt.Sprint("evt_", sent))
				acceptOn(t, b, db, fmt.Sprint("evt_", sent+1))
			}
			time.Sleep(20 * time.Second)
		}
		send(5)
		if w := da.workers[app]; w.limit() != DefaultMaxInFlight/2 {
			t.Errorf("%d in flight for each of two", w.limit())
		}
		ill.turn(false)
		send(5) // The other takes what this one cannot bring.
		must(t, a.Hold(t.Context(), "", app, byHand))
		time.Sleep(2 * time.Second)
		if da.Reserve(app) || db.Reserve(app) {
			t.Error("an operator's hold is not everybody's")
		}
		send(5)
		ill.turn(true)
		must(t, b.Resume(t.Context(), "", app))
		time.Sleep(20 * time.Second)
		wantAllOnce(t, a, sent, up.seen)

		ill.mu.Lock()
		stuck = true
		ill.mu.Unlock()
		sent++
		acceptOn(t, b, db, fmt.Sprint("evt_last_", sent))
		time.Sleep(time.Second)
		if n := db.attempts(); n != 1 {
			t.Fatalf("%d attempts under way", n)
		}
		engine.(spooltest.Sharer).KillPeer(t)
		cut, cancel := context.WithCancel(t.Context())
		cancel()
		_ = db.Drain(cut)
		for range 5 {
			sent++
			acceptOn(t, a, da, fmt.Sprint("evt_more_", sent))
		}
		time.Sleep(LeaseFor + 2*time.Second)
		wantAllOnce(t, a, sent, up.seen)
		must(t, a.Leave(t.Context(), da.Owner()))
		must(t, da.Drain(t.Context()))
		must(t, a.Close())
	})
}
