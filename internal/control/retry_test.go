package control_test

import (
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// What waits for a route that is not configured is shown as parked, as it is asked for.
func TestParkedIsShown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, "message.read", "app", spool.Retrying)
	r.accept(2, "message.read", "gone", spool.Dead)
	r.accept(3, "message.read", "gone", spool.Retrying)
	r.accept(4, "message.read", "gone", 0)
	c := r.client()
	page, err := c.Events(t.Context(), control.List{})
	r.ok(err)
	for i, want := range []string{"parked", "parked", "dead", "retrying"} {
		if got := page.Events[i].Deliveries[0].State; got != want {
			t.Errorf("%s is shown as %s, want %s", page.Events[i].ID, got, want)
		}
	}
	if e, err := c.Event(t.Context(), control.Ref{Ref: "evt_4"}, false); err != nil || e.Deliveries[0].State != "parked" {
		t.Errorf("the event is %+v, %v", e, err)
	}
}

// A retry of a route is answered with what waits, and leaves every hold as it is.
func TestRetryRoute(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, "message.read", "app", spool.Retrying)
	r.accept(2, "message.read", "gone", 0)
	c := r.client()
	if n, err := c.RetryRoute(t.Context(), "inbox", "app"); err != nil || n.Changed != 1 {
		t.Errorf("a route that waits: %+v, %v", n, err)
	}
	r.ok(c.SetRoute(t.Context(), "inbox", "app", "hold", "an upgrade"))
	r.ok(r.store.Hold(t.Context(), "test", spool.RouteKey{Source: "inbox", Route: "crm"}, spool.Hold{Reason: "refused"}))
	for route, want := range map[string]string{
		"app": "held by hand: resume it", "crm": "is held (refused)", "gone": "is not configured", "none": "has no route",
	} {
		if _, err := c.RetryRoute(t.Context(), "inbox", route); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", route, err, want)
		}
	}
	routes, err := c.Routes(t.Context())
	if err != nil || routes[0].State != control.RouteHeldByHand || routes[1].State != control.RouteHeld {
		t.Errorf("the routes are %+v, %v", routes, err)
	}
}
