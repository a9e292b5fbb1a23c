package metrics

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// gathered returns the series of a state, by name and labels in the order of the
// alphabet. The registry refuses what was not described.
func gathered(t *testing.T, s State) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(Gauges{Now: func() State { return s }}); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			all[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return all
}

// What members of one store all show has the store's label, and what is a process's own
// has not.
func TestGaugesOfASharedStore(t *testing.T) {
	t.Parallel()
	app, crm, other := spool.RouteKey{Source: "inbox", Route: "app"}, spool.RouteKey{Source: "inbox", Route: "crm"}, spool.RouteKey{Source: "inbox", Route: "other"}
	got := gathered(t, State{
		Open: true, Label: "0123abcd", Store: &spool.Stats{Used: 5, Floor: 9}, Max: 10,
		Database: &Database{Members: 3, Connections: 4, Standbys: 1, Ambiguous: 5, Reconnects: 6, Snapshot: time.Minute, Dead: 7, Durability: "replica"},
		Routes: []spool.RouteState{
			{Key: app, Waiting: 2, Served: 3, HeldHere: &spool.Hold{}},
			{Key: other, Waiting: 8, Served: 1},
			{Key: crm, Waiting: 4, Running: 1},
		},
		Configured: map[spool.RouteKey]bool{app: true}, Sources: []string{"inbox"},
		Pace: func(spool.RouteKey) deliver.Pace { return deliver.Pace{} },
	})
	for series, want := range map[string]float64{
		`inbox_store_up{store="0123abcd"}`:                                 1,
		`inbox_store_used_ratio{store="0123abcd"}`:                         0.5,
		`inbox_store_members{store="0123abcd"}`:                            3,
		`inbox_db_connections{}`:                                           4,
		`inbox_db_ambiguous_total{}`:                                       5,
		`inbox_db_reconnects_total{}`:                                      6,
		`inbox_db_oldest_snapshot_seconds{store="0123abcd"}`:               60,
		`inbox_db_dead_rows{store="0123abcd"}`:                             7,
		`inbox_db_standbys{durability="replica",store="0123abcd"}`:         1,
		`inbox_route_waiting{route="app",source="inbox",store="0123abcd"}`: 2,
		`inbox_route_held{route="app",source="inbox",store="0123abcd"}`:    0, // Another member delivers.
		`inbox_route_held_here{route="app",source="inbox"}`:                1,
		`inbox_route_slowed{route="app",source="inbox"}`:                   0,
		`inbox_route_parked{source="inbox",store="0123abcd"}`:              5, // Not those that another member serves.
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s is %v, %t, want %v", series, v, ok, want)
		}
	}
	for series := range got {
		if strings.HasPrefix(series, "inbox_disk_") || strings.Contains(series, `"other"`) || strings.Contains(series, `"crm"`) {
			t.Errorf("%s is shown", series)
		}
	}
}

// A store in a directory has none of a database's figures.
func TestGaugesOfADirectory(t *testing.T) {
	t.Parallel()
	for series := range gathered(t, State{Open: true, Label: "0123abcd", Store: &spool.Stats{Free: 10, Floor: 9}, Max: 10}) {
		if strings.HasPrefix(series, "inbox_db_") || strings.Contains(series, "members") {
			t.Errorf("%s is shown", series)
		}
	}
}

func TestLabelOf(t *testing.T) {
	t.Parallel()
	one, two := LabelOf("1y2p0ij32e8e7"), LabelOf("1y2p0ij32e8e8")
	if len(one) != 8 || one == two || one != LabelOf("1y2p0ij32e8e7") || strings.Contains(one, "1y2p0ij3") {
		t.Errorf("%s and %s", one, two)
	}
}
