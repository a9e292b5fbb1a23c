package control

import (
	"context"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// drained is a store of which one route is drained by so many between two looks.
type drained struct {
	spool.Store
	waiting, each int64
	looks         int
}

func (d *drained) Routes(context.Context) ([]spool.RouteState, error) {
	if d.looks++; d.looks%2 == 0 || d.each > crowded {
		d.waiting = max(0, d.waiting-d.each)
	}
	return []spool.RouteState{{Key: spool.RouteKey{Source: "inbox", Route: "app"}, Waiting: d.waiting}}, nil
}

// An app that keeps up is never waited for: the asked rate decides, and not
// pauses. One that does not is waited for, and what waits stays short.
func TestPacerPausesOnlyWhereARouteIsCrowded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		each   int64
		pauses bool
	}{"keeps up": {501, false}, "falls behind": {10, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &drained{each: c.each}
			p := newPacer(&api{Options: Options{Store: store, Configured: func() map[spool.RouteKey]bool {
				return map[spool.RouteKey]bool{{Source: "inbox", Route: "app"}: true}
			}}}, maxRate)
			p.limit.SetLimit(1e9)
			paused := 0
			p.pause = func(context.Context, time.Duration) error { paused++; return nil }
			for range 5000 {
				if err := p.wait(t.Context(), "inbox", []string{"app"}); err != nil {
					t.Fatal(err)
				}
				if store.waiting++; store.waiting > crowdedAt(maxRate)+1 {
					t.Fatalf("%d wait in the route", store.waiting)
				}
			}
			if (paused > 0) != c.pauses {
				t.Errorf("%d pauses in 5000 events, %d looks", paused, store.looks)
			}
		})
	}
}
