package caddymodule

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/body"
	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/routing"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
	"github.com/inboxgate/inboxgate/internal/storage"
)

// stalled takes a body and says nothing until goOn is closed.
type stalled struct {
	spool.Store
	goOn chan struct{}
}

func (s stalled) Quarantine(context.Context, spool.Odd) error {
	<-s.goOn
	return nil
}

// A store that stands holds on to the bytes of a body whose sender has long
// been answered 503: they count until it lets go.
func TestBudgetOutlivesTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		room := body.New(0) // The least there is: two such bodies do not fit.
		big := func() (*body.Body, error) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(strings.Repeat("x", 3<<20)))
			return room.Read(r, http.NewResponseController(w), 4<<20, time.Now().Add(time.Hour))
		}
		held, err := big()
		if err != nil {
			t.Fatal(err)
		}
		in := &incoming{
			r:        httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader("x")),
			received: time.Now(), body: held, odd: "not JSON",
		}
		store := stalled{goOn: make(chan struct{})}
		ctx, cancel := in.deadline()
		defer cancel()
		err = in.quarantine(ctx, store)
		held.Drop() // As the request does at its end.
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the answer waits for the store: %v", err)
		}
		if _, err := big(); !errors.Is(err, body.ErrCrowded) {
			t.Errorf("another body while the store holds the first: %v, want no room", err)
		}
		close(store.goOn)
		synctest.Wait()
		if _, err := big(); err != nil {
			t.Errorf("another body when the store has let go: %v", err)
		}
	})
}

// panicking is a store with a fault of its own.
type panicking struct{ spool.Store }

func (panicking) Accept(context.Context, spool.Intake) (spool.Receipt, error) { panic("a fault") }

func TestPanicInAcceptLeavesRoom(t *testing.T) {
	t.Parallel()
	quiet := slog.New(slog.DiscardHandler)
	store, err := sqlite.Open(t.TempDir(), sqlite.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	key := spool.RouteKey{Source: "inbox", Route: "app"}
	d, err := deliver.New(deliver.Config{
		Store: store, Log: quiet, Slots: deliver.NewSlots(),
		Routes: []deliver.Route{{Key: key, Upstream: &chain{}, MaxInFlight: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Start()
	t.Cleanup(func() {
		d.Stop()
		_ = d.Drain(context.Background())
	})
	routes := []Route{{Name: "app", Types: []string{"*"}}}
	table, err := routing.NewTable([]routing.Route{{Name: "app", Types: []string{"*"}}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := &Webhook{src: &source{Source: Source{Routes: routes}, table: table, keys: []spool.RouteKey{key}}}
	app := &engine{Storage: storage.Of(panicking{store}, nil), dispatcher: d}
	for range 3 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed; the gate reports it")
				}
			}()
			_, _, _ = h.store(context.Background(), app, &spool.Event{Source: "inbox", ID: "evt_1", Type: "message.read"})
		}()
	}
	if !d.Reserve(key) {
		t.Error("the only place of the route is reserved for ever")
	}
	d.Unreserve(key)
}
