package faults

import (
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// awaitProgress waits for all deliveries, however many: patience is that of one
// step.
func awaitProgress(t *testing.T, r *rig.Rig) {
	t.Helper()
	for left := r.Log.Waiting(); left > 0; left = r.Log.Waiting() {
		await(t, r, "the next thousand deliveries", func() bool { return r.Log.Waiting() <= max(0, left-1000) })
	}
}

// A route that is dead gathers a backlog on disk and not in memory, and the
// other route has all its events meanwhile; back again, it gets everything.
func TestFaultBacklog(t *testing.T) {
	t.Parallel()
	const most = 200 // MiB
	r := rig.New(t, rig.Options{Routes: []rig.Route{
		{Name: "dead", Types: "message.*"},
		{Name: "lives", Types: event.TypeMessageFailed},
	}})
	r.App("dead").Stop()
	l := r.Start()
	n := rig.Rounds(5000, 100000)
	events := make([]history.Event, n)
	for i := range events {
		events[i] = r.Event(event.TypeMessageFailed)
	}
	sendAll(t, r, "accepted", events)
	await(t, r, "the other route's events", func() bool { return r.Log.Waiting() == n })
	waiting := peakRSS(t, l.PID)
	r.App("dead").Start()
	awaitProgress(t, r)
	r.Settle()
	if caught := peakRSS(t, l.PID); waiting > most || caught > most {
		t.Errorf("%d MiB resident with %d waiting, %d after catching up, want at most %d", waiting, n, caught, most)
	}
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Books()
	r.Report([]int{36}, "one route is dead with a large backlog", n)
}
