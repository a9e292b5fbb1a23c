package faults

import (
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// TestFaultStop sends SIGTERM while events come in and attempts run, some of
// which outlive the grace: they are given back and count for nothing.
func TestFaultStop(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	r := rig.New(t, rig.Options{
		Rate: 200, Store: "grace 500ms",
		Routes: append(rig.DefaultRoutes(), hanging("hangs", event.TypeMessageAction, release)),
	})
	rounds := rig.Rounds(3, 30)
	for n := range rounds {
		l := r.Start()
		stop := r.Background(0)
		r.AwaitAcked(30)
		comes := func() bool { return inLife(r, "hangs", l.N) > 0 }
		if !r.Log.Await(proctest.Patience, comes) {
			t.Fatalf("round %d: no attempt came to the app that hangs", n+1)
		}
		if code := r.Stop(); code != 0 {
			t.Errorf("round %d: SIGTERM ends with exit code %d", n+1, code)
		}
		stop()
	}
	b := r.Books()
	if b.Deliveries[spool.Retrying] > 0 {
		t.Errorf("%d deliveries have a counted attempt, and none was ever answered badly", b.Deliveries[spool.Retrying])
	}
	close(release)
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	twice := make(map[string]int)
	for _, a := range r.Log.Attempts("hangs") {
		twice[a.Key]++
		if a.N != 1 {
			t.Errorf("%s came to the app that hangs as attempt %d", a.Key, a.N)
		}
	}
	given := 0
	for _, n := range twice {
		if n > 1 {
			given++
		}
	}
	if given == 0 {
		t.Error("no attempt outlived the grace")
	}
	report := r.Report([]int{19}, "SIGTERM with accepts and attempts in flight", rounds)
	if report.Repeated > 0 {
		t.Errorf("%d repeated", report.Repeated)
	}
	t.Logf("%d attempts were cut by the grace and counted for nothing", given)
}

// inLife counts a route's attempts of one life.
func inLife(r *rig.Rig, route string, life int) (n int) {
	for _, a := range r.Log.Attempts(route) {
		if a.Life == life {
			n++
		}
	}
	return n
}
