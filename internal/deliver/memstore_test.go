package deliver

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest/memstore"
)

// counting is an app that can be down.
type counting struct {
	mu   sync.Mutex
	up   bool
	seen map[string]int
}

func (c *counting) turn(up bool) { c.mu.Lock(); c.up = up; c.mu.Unlock() }

func (c *counting) Attempt(_ context.Context, a Attempt) Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.up {
		return refused
	}
	c.seen[a.Delivery.Event.ID]++
	return status(200)
}

// openOn opens a store of the contract with the route app.
func openOn(t *testing.T, engine spooltest.Engine) spool.Store {
	t.Helper()
	s, err := engine.Open(t, spooltest.Options{Now: func() time.Time { return time.Now().Round(0) }})
	must(t, err)
	must(t, s.Configure(t.Context(), "", app.Source, []spool.RouteName{{Name: app.Route}}))
	return s
}

// The same dispatcher on a store that passes the whole contract: an outage with
// a reload and a kill in it.
func TestOnAStoreOfTheContract(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := memstore.Make()(t)
		up := &counting{up: true, seen: map[string]int{}}
		s := openOn(t, engine)
		start := func() *Dispatcher {
			d, err := New(Config{Store: s, Routes: []Route{{Key: app, Upstream: up}}, Log: slog.New(slog.DiscardHandler)})
			must(t, err)
			d.Start()
			time.Sleep(time.Millisecond)
			return d
		}
		sent := 0
		send := func(d *Dispatcher, n int) {
			for range n {
				sent++
				acceptOn(t, s, d, fmt.Sprint("evt_", sent))
			}
		}
		d := start()
		send(d, 10)
		time.Sleep(time.Second)
		up.turn(false)
		send(d, 10)
		time.Sleep(time.Hour)
		old := d
		d = start()
		old.Stop()
		send(old, 5) // a handler of the old configuration
		send(d, 5)
		time.Sleep(time.Minute)
		must(t, old.Drain(t.Context()))

		engine.Kill(t)
		cut, cancel := context.WithCancel(t.Context())
		cancel()
		_ = d.Drain(cut)
		s = openOn(t, engine)
		d = start()
		if d.Reserve(app) {
			t.Error("the hold did not survive")
		}
		up.turn(true)
		time.Sleep(16 * time.Second)
		send(d, 10)
		time.Sleep(time.Second)
		must(t, d.Drain(t.Context()))

		wantAllOnce(t, s, sent, up.seen)
		must(t, s.Close())
	})
}

func wantAllOnce(t *testing.T, s spool.Store, sent int, seen map[string]int) {
	t.Helper()
	page, err := s.Records(t.Context(), spool.Query{State: spool.Delivered})
	must(t, err)
	if len(page.Records) != sent {
		t.Errorf("%d of %d delivered", len(page.Records), sent)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was seen %d times", id, n)
		}
	}
	for _, rec := range page.Records {
		if n := rec.Deliveries[0].Attempts; n > 2 {
			t.Errorf("%s: %d attempts counted in an outage", rec.Event.ID, n)
		}
	}
}

func acceptOn(t *testing.T, s spool.Store, d *Dispatcher, id string) {
	t.Helper()
	acceptKeyed(t, s, d, id, "")
}

// acceptKeyed accepts an event that is ordered by a key, as the accept path does.
func acceptKeyed(t *testing.T, s spool.Store, d *Dispatcher, id, key string) {
	t.Helper()
	ev := &spool.Event{
		Source: app.Source, ID: id, Type: "message.read", CreatedAt: time.Now(), Received: time.Now(),
		Request: spool.Request{Body: []byte(id)},
	}
	copy(ev.Digest[:], id)
	reserved, asked := d.Reserve(app), time.Now()
	rc, err := s.Accept(t.Context(), spool.Intake{
		Event: ev, Routes: []spool.RouteWish{{Route: app.Route, Key: key, Start: reserved}}, Owner: d.Owner(), LeaseFor: d.LeaseFor(),
	})
	must(t, err)
	if rc.Verdict != spool.Accepted {
		t.Fatalf("%v", rc.Verdict)
	}
	for _, dl := range rc.Running {
		d.Offer(dl, asked)
	}
	if reserved && len(rc.Running) == 0 {
		d.Unreserve(app)
	}
}
