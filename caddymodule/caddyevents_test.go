package caddymodule_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/inboxgate/inboxgate/caddymodule"
	"github.com/inboxgate/inboxgate/verify"
)

// listener is an event handler such as a plugin would be.
type listener struct{}

var heard struct {
	sync.Mutex
	events []caddy.Event
	// block, if set, is waited for by each handler.
	block chan struct{}
}

func (listener) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.inbox_listener", New: func() caddy.Module { return new(listener) }}
}

func (listener) Handle(_ context.Context, e caddy.Event) error {
	heard.Lock()
	block := heard.block
	heard.Unlock()
	if block != nil {
		<-block
	}
	heard.Lock()
	defer heard.Unlock()
	heard.events = append(heard.events, e)
	return nil
}

func (*listener) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func init() { caddy.RegisterModule(listener{}) }

// told lists the events of a source that were heard.
func told(source, name string) (all []map[string]any) {
	heard.Lock()
	defer heard.Unlock()
	for _, e := range heard.events {
		if e.Name() == name && (source == "" || e.Data["source"] == source) {
			all = append(all, e.Data)
		}
	}
	return all
}

func listening() string {
	global := "events {\n"
	for _, name := range []string{
		caddymodule.EventRejected, caddymodule.EventRouteHeld, caddymodule.EventRouteResumed, caddymodule.EventDeadLetter, caddymodule.EventDiskLow,
	} {
		global += "on " + name + " inbox_listener\n"
	}
	return global + "}"
}

func TestEventsReachHandlers(t *testing.T) {
	const source = "events"
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusGone) })
	port := freePort(t)
	in := start(t, listening(), fmt.Sprintf("inbox_webhook /hook {\nname %s\nto %s {\nname app\n}\non message.action 127.0.0.1:%s {\nname lost\n}\n}", source, app.addr(), port))
	url := in.url("/hook")

	id, body := sample(t, "message.read")
	post(t, url, body)
	eventually(t, "the dead letter", func() bool { return len(told(source, caddymodule.EventDeadLetter)) == 1 })
	if got, want := told(source, caddymodule.EventDeadLetter)[0], (map[string]any{"source": source, "route": "app", "event_id": id, "event_type": "message.read"}); !maps.Equal(got, want) {
		t.Errorf("dead letter: %v, want %v", got, want)
	}

	for range 49 {
		forge(t, url, body)
	}
	if n := len(told(source, caddymodule.EventRejected)); n != 0 {
		t.Errorf("49 rejections are told as a burst")
	}
	for range 60 {
		forge(t, url, body)
	}
	eventually(t, "the burst", func() bool { return len(told(source, caddymodule.EventRejected)) == 1 })
	if got := told(source, caddymodule.EventRejected)[0]["reason"]; got != "signature_mismatch" {
		t.Errorf("reason %v", got)
	}

	_, body = sample(t, "message.action")
	post(t, url, body)
	eventually(t, "the held route", func() bool { return len(told(source, caddymodule.EventRouteHeld)) >= 1 })
	back := &http.Server{Addr: "127.0.0.1:" + port, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	go func() { _ = back.ListenAndServe() }()
	defer back.Close()
	eventually(t, "the resumed route", func() bool { return len(told(source, caddymodule.EventRouteResumed)) == 1 })
	var names []string
	heard.Lock()
	for _, e := range heard.events {
		if e.Data["route"] == "lost" && e.Data["source"] == source {
			names = append(names, e.Name())
			if e.Origin() == nil || e.Origin().CaddyModule().ID != "inbox" {
				t.Errorf("%s does not come from the app", e.Name())
			}
		}
	}
	heard.Unlock()
	if !slices.Equal(names, []string{caddymodule.EventRouteHeld, caddymodule.EventRouteResumed}) {
		t.Errorf("events of the route: %q", names)
	}
}

func forge(t *testing.T, url string, body []byte) {
	t.Helper()
	r := request(t, url, body)
	r.Header.Set(verify.Header, verify.Sign([]byte("another-secret-of-somebody"), body))
	if got := send(t, r); got.status != http.StatusUnauthorized {
		t.Fatalf("a forged request got %d", got.status)
	}
}

// What happens to an attempt of a configuration that was replaced is for those
// who listen now.
func TestEventsAfterAReload(t *testing.T) {
	const source = "events-reload"
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	app := newApp(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		close(arrived)
		<-goOn
		w.WriteHeader(http.StatusGone)
	})
	site := fmt.Sprintf("inbox_webhook /hook {\nname %s\nto %s {\nname app\n}\n}", source, app.addr())
	in := start(t, listening(), site)
	_, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	<-arrived
	if err := in.load(listening(), site+"\nheader X-Other 1"); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	eventually(t, "the dead letter", func() bool { return len(told(source, caddymodule.EventDeadLetter)) == 1 })
}

// Handlers that hang hold nothing up, and what waits for them is bounded.
func TestEventsAreBounded(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, nil)
	start(t, listening(), fmt.Sprintf("inbox_webhook /hook {\nname events-bound\nto %s\n}", app.addr()))
	block := make(chan struct{})
	heard.Lock()
	heard.block = block
	heard.Unlock()
	for range 1000 {
		caddymodule.Emit(caddymodule.EventDeadLetter, map[string]any{"source": "events-bound"})
	}
	heard.Lock()
	heard.block = nil
	heard.Unlock()
	close(block)
	eventually(t, "the end of the queue", func() bool {
		n := len(told("events-bound", caddymodule.EventDeadLetter))
		return n == 256 || n == 257 // The one that hangs is out of the queue, or was not yet.
	})
}
