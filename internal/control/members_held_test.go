package control_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// holdingFleet is a store that another member has open too.
type holdingFleet struct {
	spool.Store
	served map[string]int // how many members serve a route, by its name
	here   *spool.Hold    // of this process, for "app"
}

func (f holdingFleet) Live(spool.RouteKey) int { return 2 }

func (f holdingFleet) Members(context.Context) ([]spool.Member, error) { return nil, nil }

func (f holdingFleet) Routes(ctx context.Context) ([]spool.RouteState, error) {
	states, err := f.Store.Routes(ctx)
	for i := range states {
		states[i].Served = f.served[states[i].Key.Route]
		if states[i].Key.Route == "app" {
			states[i].HeldHere = f.here
		}
	}
	return states, err
}

// What another member serves is not parked: it can be replayed to, and waits as any
// other. To attempt it now is that member's.
func TestWhatAnotherMemberServesIsNotParked(t *testing.T) {
	t.Parallel()
	for _, served := range []bool{true, false} {
		r := newRig(t)
		r.accept(1, "message.read", "app", spool.Delivered)
		r.accept(2, "message.read", "gone", 0)
		f := holdingFleet{Store: r.store, served: map[string]int{"app": 2, "crm": 1}}
		want, status := "parked", http.StatusBadRequest
		if served {
			f.served["gone"] = 1
			want, status = "available", http.StatusOK
		}
		app := spool.RouteKey{Source: "inbox", Route: "app"}
		r.server.Close()
		r.server = httptest.NewServer(control.New(control.Options{
			Store: f, Configured: func() map[spool.RouteKey]bool { return map[spool.RouteKey]bool{app: true} },
			Retry: func(spool.RouteKey, int64) bool { return true },
		}))
		t.Cleanup(r.server.Close)

		page, err := r.client().Events(t.Context(), control.List{Filter: control.Filter{ID: "evt_2"}})
		r.ok(err)
		if got := page.Events[0].Deliveries[0].State; got != want {
			t.Errorf("served %v: the delivery is %s, want %s", served, got, want)
		}
		page, err = r.client().Events(t.Context(), control.List{Filter: control.Filter{State: "parked"}})
		r.ok(err)
		if len(page.Events) > 0 == served {
			t.Errorf("served %v: %d events are parked", served, len(page.Events))
		}
		routes, err := r.client().Routes(t.Context())
		r.ok(err)
		i := slices.IndexFunc(routes, func(rt control.Route) bool { return rt.Route == "gone" })
		if parked := routes[i].State == control.RouteParked; parked == served {
			t.Errorf("served %v: the route is %s", served, routes[i].State)
		}
		if got, said := r.call("POST", "/inbox/events/evt_1/replay", "", "", `{"route":"gone"}`); got != status {
			t.Errorf("served %v: a replay to it answers %d: %s", served, got, said)
		}
		got, said := r.call("POST", "/inbox/routes/inbox/gone/retry", "", "", "")
		if got != http.StatusConflict || strings.Contains(said, "in another") != served {
			t.Errorf("served %v: a retry answers %d: %s", served, got, said)
		}
	}
}

// A route that only this process holds is not held: others go on with it.
func TestARouteThatOneMemberHolds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, "message.read", "app", spool.Delivered)
	app := spool.RouteKey{Source: "inbox", Route: "app"}
	f := holdingFleet{Store: r.store, served: map[string]int{"app": 2}, here: &spool.Hold{Since: time.Now(), Reason: "no way there"}}
	r.server.Close()
	r.server = httptest.NewServer(control.New(control.Options{
		Store: f, Configured: func() map[spool.RouteKey]bool { return map[spool.RouteKey]bool{app: true} },
		Retry: func(spool.RouteKey, int64) bool { return true },
	}))
	t.Cleanup(r.server.Close)
	routes, err := r.client().Routes(t.Context())
	r.ok(err)
	rt := routes[slices.IndexFunc(routes, func(rt control.Route) bool { return rt.Route == "app" })]
	if rt.State != control.RouteReady || rt.Hold != nil || rt.HeldHere == nil || rt.HeldHere.Reason != "no way there" {
		t.Errorf("shown as %+v", rt)
	}
	if got, said := r.call("POST", "/inbox/routes/inbox/app/retry", "", "", ""); got != http.StatusConflict || !strings.Contains(said, "no way there") {
		t.Errorf("a retry answers %d: %s", got, said)
	}
}
