package caddymodule_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/caddymodule"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// storm posts events until told to stop and remembers what was acknowledged.
type storm struct {
	mu     sync.Mutex
	acked  []string
	failed []string
	// dropped counts connections that ended without an answer: see do.
	dropped int
}

func (s *storm) run(t *testing.T, url string, every time.Duration, stop <-chan struct{}) *sync.WaitGroup {
	var senders sync.WaitGroup
	work := make(chan struct{}, 256)
	for range 64 {
		senders.Go(func() {
			for range work {
				s.one(t, url)
			}
		})
	}
	senders.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		defer close(work)
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				work <- struct{}{}
			}
		}
	})
	return &senders
}

func (s *storm) one(t *testing.T, url string) {
	id, body := sample(t, "message.read")
	res, dropped, err := do(request(t, url, body))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped += dropped
	switch {
	case err != nil:
		s.failed = append(s.failed, err.Error())
	case res.StatusCode != 200:
		res.Body.Close()
		s.failed = append(s.failed, res.Status)
	default:
		res.Body.Close()
		s.acked = append(s.acked, id)
	}
}

// A hundred reloads at 500 events a second and more, with attempts running and
// one upstream that hangs: no request fails, nothing is lost, nothing comes
// twice, there is one store, and no reload waits for the upstream.
func TestReloadStorm(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	good := newApp(t, nil)
	hung := make(chan struct{})
	hanging := newApp(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		select {
		case <-hung:
		case <-r.Context().Done():
		}
	})
	site := func(n int) string {
		// Alternating, so that each load is a change.
		return fmt.Sprintf(`
	inbox_webhook /hook {
		max_body %dKiB
		on message.read %s {
			name good
		}
		on message.* %s {
			name hanging
			timeout 5m
			max_in_flight 8
		}
	}`, 64+n%2, good.addr(), hanging.addr())
	}
	in := start(t, "", site(0))
	t.Cleanup(func() { close(hung) }) // Before Caddy stops: what hangs keeps the store.
	stop := make(chan struct{})
	var s storm
	senders := s.run(t, in.url("/hook"), time.Second/700, stop)
	eventually(t, "hanging attempts", func() bool { return len(hanging.arrivals()) >= 8 })
	began, slowest := time.Now(), time.Duration(0)
	for n := 1; n <= 100; n++ {
		t0 := time.Now()
		if err := in.load("", site(n)); err != nil {
			t.Fatalf("reload %d: %v", n, err)
		}
		slowest = max(slowest, time.Since(t0))
		if open := caddymodule.OpenStorages(); open != 1 {
			t.Fatalf("%d stores are open after reload %d", open, n)
		}
		s.mu.Lock()
		have := len(s.acked)
		s.mu.Unlock()
		eventually(t, "events between two reloads", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.acked) > have+5
		})
	}
	took := time.Since(began)
	close(stop)
	senders.Wait()
	for _, f := range s.failed {
		t.Errorf("a request failed: %s", f)
	}
	for _, id := range s.acked {
		good.await(t, id)
	}
	twice := 0
	for _, id := range s.acked {
		if n := good.count(id); n != 1 {
			twice++
		}
	}
	if twice > 0 {
		t.Errorf("%d of %d events were delivered more than once", twice, len(s.acked))
	}
	if n := len(hanging.arrivals()); n > 8 {
		t.Errorf("%d attempts at the hanging app; max_in_flight 8 counts over both generations", n)
	}
	if slowest > time.Minute {
		t.Errorf("a reload took %s: it waited for the hanging upstream", slowest)
	}
	t.Logf("100 reloads in %s, slowest %s; %d events, %.0f/s, %d sent again after a dropped connection",
		took.Round(time.Millisecond), slowest.Round(time.Millisecond), len(s.acked), float64(len(s.acked))/took.Seconds(), s.dropped)
}

// A load that fails leaves the running configuration and its store alone.
func TestFailedReload(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a := newApp(t, nil)
	site := "inbox_webhook /hook " + a.addr()
	in := start(t, "", site)
	store := in.store()
	taken := newApp(t, nil)
	for name, bad := range map[string][2]string{
		"secret that is not set":      {"", "inbox_webhook /hook {\n secret {env.NOT_SET_ANYWHERE}\n to a:1\n}"},
		"a later module":              {"", site + "\n inbox_webhook /b {\n name b\n secret {env.NOT_SET_ANYWHERE}\n to a:1\n}"},
		"listener that is taken":      {"", site + "\n}\nhttp://" + taken.addr() + " {\n respond 200"},
		"unknown module in a handler": {"", "inbox_webhook /hook {\n to {\n name x\n handle {\n nonsense\n}\n}\n}"},
	} {
		if err := in.load(bad[0], bad[1]); err == nil {
			t.Errorf("%s: loaded", name)
		}
		if in.store() != store {
			t.Errorf("%s: another store is open", name)
		}
		id, body := sample(t, "message.read")
		if got := post(t, in.url("/hook"), body); got.status != 200 {
			t.Errorf("%s: then got %+v", name, got)
		}
		a.await(t, id)
	}
}

// The directive may leave the configuration and come back: the store is closed
// and opened cleanly, and what waited arrives.
func TestRemoveAndAdd(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	var down atomic.Bool
	a := newApp(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		if down.Load() {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	site := fmt.Sprintf("inbox_webhook /hook {\n to %s {\n name app\n retry 1s 1s 1s\n}\n}", a.addr())
	in := start(t, "", site)
	for round := range 5 {
		down.Store(true)
		id, body := sample(t, "message.read")
		if got := post(t, in.url("/hook"), body); got.status != 200 {
			t.Fatalf("round %d: got %+v", round, got)
		}
		a.await(t, id)
		if err := in.load("", ""); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the store to close", func() bool { return caddymodule.OpenStorages() == 0 })
		if got := post(t, in.url("/hook"), body); got.status != 404 {
			t.Fatalf("round %d: removed, but got %+v", round, got)
		}
		down.Store(false)
		if err := in.load("", site); err != nil {
			t.Fatal(err)
		}
		if got := post(t, in.url("/hook"), body); got.result != "duplicate" {
			t.Errorf("round %d: the id was forgotten: %+v", round, got)
		}
		eventually(t, "the delivery", func() bool {
			rec := in.records(spool.Query{ID: id})
			return len(rec) == 1 && rec[0].Deliveries[0].State == spool.Delivered
		})
	}
}

// A reload in the middle of an attempt uses up none, and the attempt settles
// in the store although its configuration has gone.
func TestReloadDuringAttempt(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	goOn := make(chan struct{})
	a := newApp(t, func(http.ResponseWriter, *http.Request, int) { <-goOn })
	site := func(n int) string {
		return fmt.Sprintf("inbox_webhook /hook {\n max_body %dKiB\n to %s {\n name app\n}\n}", 64+n, a.addr())
	}
	in := start(t, "", site(0))
	id, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	a.await(t, id)
	for n := range 3 {
		if err := in.load("", site(n+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := in.load("", ""); err != nil { // No handler is left at all.
		t.Fatal(err)
	}
	close(goOn)
	if err := in.load("", site(9)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the delivery", func() bool {
		rec := in.records(spool.Query{ID: id})
		return len(rec) == 1 && rec[0].Deliveries[0].State == spool.Delivered
	})
	if n := a.count(id); n != 1 {
		t.Errorf("the app got %d copies", n)
	}
}

// An exit in the middle of an attempt waits for grace, then takes it back:
// the next start delivers, and no attempt was counted.
func TestExitDuringAttempt(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	var hang atomic.Bool
	hang.Store(true)
	a := newApp(t, func(_ http.ResponseWriter, r *http.Request, _ int) {
		if hang.Load() {
			<-r.Context().Done()
		}
	})
	site := fmt.Sprintf("inbox_webhook /hook {\n to %s {\n name app\n timeout 5m\n}\n}", a.addr())
	in := start(t, "", site)
	id, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	a.await(t, id)
	// What a configuration's end does at exit, without ending this process:
	// stop drains with a grace of nothing.
	caddymodule.DrainAll(in.dir, 0)
	eventually(t, "the lease to come back", func() bool {
		rec := in.records(spool.Query{ID: id})
		return rec[0].Deliveries[0].State == spool.Available && rec[0].Deliveries[0].Attempts == 0
	})
	hang.Store(false)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := in.load("", site); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the delivery", func() bool {
		rec := in.records(spool.Query{ID: id})
		return rec[0].Deliveries[0].State == spool.Delivered
	})
	if got := a.arrivals()[len(a.arrivals())-1].Header.Get("X-Inbox-Attempt"); got != "1" {
		t.Errorf("delivered as attempt %s", got)
	}
}

// A route that leaves the configuration keeps its deliveries; a route that
// says what it was takes them over.
func TestParkedAndAdopted(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a := newApp(t, nil)
	down := "127.0.0.1:" + freePort(t)
	in := start(t, "", fmt.Sprintf("inbox_webhook /hook {\n to %s {\n name old\n}\n}", down))
	id, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	if err := in.load("", fmt.Sprintf("inbox_webhook /hook {\n to %s {\n name other\n}\n}", a.addr())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the warning of parked deliveries", func() bool { return in.logged(`"msg":"deliveries are parked`) })
	if a.count(id) != 0 {
		t.Error("another route delivered it")
	}
	if err := in.load("", fmt.Sprintf("inbox_webhook /hook {\n to %s {\n name new\n was old\n}\n}", a.addr())); err != nil {
		t.Fatal(err)
	}
	if got := a.await(t, id); got.Header.Get("X-Inbox-Route") != "new" {
		t.Errorf("delivered as route %s", got.Header.Get("X-Inbox-Route"))
	}
}
