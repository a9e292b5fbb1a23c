package faults

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// TestFaultKill kills the real process again and again under load. Of each pair
// of rounds one has its apps stopped, before it starts or at some moment of the
// load.
func TestFaultKill(t *testing.T) {
	t.Parallel()
	rounds := rig.Rounds(8, 300)
	r := rig.New(t, rig.Options{})
	for n := 1; n < rounds; n += 2 {
		first := r.Random.IntN(2) == 0
		killRound(r, t, first)
		killRound(r, t, !first)
	}
	r.Start()
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	// A process that never saw the events knows them all the same.
	l := r.Start()
	r.Settle()
	if n := r.Log.Arrivals(l.N); n != 4 {
		t.Errorf("%d deliveries after copies of everything and two new events for two routes, want 4", n)
	}
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	r.Books()
	if n := r.Log.Acked(); n < 10*rounds {
		t.Errorf("%d events were acknowledged: that is no load", n)
	}
	r.Report([]int{1}, "kill -9 at any moment under load", rounds)
}

func killRound(r *rig.Rig, t *testing.T, down bool) {
	t.Helper()
	early := r.Random.IntN(2) == 0
	life := 100*time.Millisecond + time.Duration(r.Random.Int64N(int64(600*time.Millisecond)))
	part := time.Duration(r.Random.Int64N(int64(life)))
	atAnswer := r.Random.IntN(2) == 0
	if down && early {
		r.StopApps()
	} else {
		r.StartApps()
	}
	l := r.Start()
	r.Again(0.5, 0.25)
	comes := func() bool { return r.Log.Waiting() == 0 || r.Log.Arrivals(l.N) > 0 }
	if !down && !r.Log.Await(proctest.Patience, comes) {
		t.Fatalf("life %d: the apps are back and nothing comes:\n%s", l.N, r.Log.Missing())
	}
	stop := r.Background(0)
	if down && !early {
		<-time.After(part)
		r.StopApps()
		life -= part
	}
	<-time.After(life)
	if atAnswer { // The moment at which a promise made too early shows.
		awaitAnswer(r.Log)
	}
	r.Kill()
	stop()
}

// awaitAnswer returns right after the next first 200, or after a second without.
func awaitAnswer(l *history.Log) {
	n := l.Acked()
	l.Await(time.Second, func() bool { return l.Acked() > n })
}
