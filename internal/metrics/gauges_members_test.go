package metrics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// What another member serves is not parked, and what only this process holds shows as
// its own.
func TestGaugesOverMembers(t *testing.T) {
	t.Parallel()
	key := func(name string) spool.RouteKey { return spool.RouteKey{Source: "inbox", Route: name} }
	hold := &spool.Hold{Reason: "no way there"}
	g := Gauges{Now: func() State {
		return State{
			Open: true, Sources: []string{"inbox"}, Configured: map[spool.RouteKey]bool{key("app"): true},
			Pace: func(spool.RouteKey) deliver.Pace { return deliver.Pace{} },
			Routes: []spool.RouteState{
				{Key: key("app"), Served: 2, HeldHere: hold},
				{Key: key("next"), Waiting: 5, Served: 1},
				{Key: key("old"), Waiting: 3, Running: 1},
			},
		}
	}}
	registry := prometheus.NewRegistry()
	registry.MustRegister(g)
	got := map[string]float64{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
		if n := len(f.GetMetric()); f.GetName() == "inbox_route_waiting" && n != 1 {
			t.Errorf("%d routes are shown, want the configured one", n)
		}
	}
	for name, want := range map[string]float64{"inbox_route_parked": 4, "inbox_route_held": 0, "inbox_route_held_here": 1} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
}
