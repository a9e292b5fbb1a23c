package faults

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// crowd counts how many attempts are with an app at once, and the highest
// number of a counted attempt.
type crowd struct {
	now, most, number atomic.Int64
}

func (c *crowd) behave(w http.ResponseWriter, q *http.Request, a *history.Attempt) {
	raise(&c.most, c.now.Add(1))
	raise(&c.number, int64(a.N))
	defer c.now.Add(-1)
	select {
	case <-time.After(5 * time.Millisecond): // So that they meet.
	case <-q.Context().Done():
	}
	rig.Answer(http.StatusOK, "OK")(w, q, a)
}

func raise(most *atomic.Int64, to int64) {
	for old := most.Load(); to > old && !most.CompareAndSwap(old, to); old = most.Load() {
	}
}

// An app that cannot be reached uses up no attempt. Its route is held, over a
// reload and a restart too, a probe finds that it is back, and what waited comes
// no faster than its places allow, of both configurations of a reload together.
func TestFaultOutage(t *testing.T) {
	t.Parallel()
	const places = 8
	var c crowd
	r := rig.New(t, rig.Options{Routes: []rig.Route{
		{Name: "app", Types: "message.*", Lines: "max_in_flight 8", Behave: c.behave},
		{Name: "oncall", Types: event.TypeMessageFailed},
	}})
	l := r.Start()
	wantOK(t, r, r.Event(event.TypeMessageFailed))
	r.AwaitAll()
	r.App("app").Stop()
	n := rig.Rounds(1000, 20000)
	events := make([]history.Event, n)
	for i := range events {
		events[i] = r.Event(event.TypeMessageFailed)
	}
	half := n / 2
	r.SendAll(t.Context(), events[:half])
	l.Await(t, `"msg":"route held"`, 1)
	if !r.Reload(r.Caddyfile("")) {
		t.Fatal("the reload was refused")
	}
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	l = r.Start()
	r.SendAll(t.Context(), events[half:])
	await(t, r, "the other route's events", func() bool { return r.Log.Waiting() == n })
	r.App("app").Start()
	r.AwaitArrivals(n / 4)
	if !r.Reload(r.Caddyfile("")) { // In the middle of catching up.
		t.Fatal("the reload was refused")
	}
	r.Settle()
	l.Await(t, `"msg":"route resumed"`, 1)
	if most := c.most.Load(); most > places {
		t.Errorf("%d attempts at once, and there are %d places", most, places)
	}
	if number := c.number.Load(); number != 1 {
		t.Errorf("attempt %d of a delivery that never reached the app before", number)
	}
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Books()
	r.Report([]int{31, 37}, "an app is down, and all that waited comes when it is back", 1)
}

// An app that answers 503 to everything is probed and not stormed, and nothing
// becomes a dead letter by it, though the schedule is much shorter than the
// outage.
func TestFaultOutageOf503(t *testing.T) {
	t.Parallel()
	const places = 8
	r := rig.New(t, rig.Options{Routes: []rig.Route{
		{Name: "app", Types: "message.*", Retry: "100ms 100ms", Lines: "max_in_flight 8"},
		{Name: "oncall", Types: event.TypeMessageFailed},
	}})
	l := r.Start()
	r.App("app").Behave(rig.Answer(http.StatusServiceUnavailable, "down"))
	n := rig.Rounds(500, 5000)
	events := make([]history.Event, n)
	for i := range events {
		events[i] = r.Event(event.TypeMessageFailed)
	}
	r.SendAll(t.Context(), events)
	l.Await(t, `"msg":"route held"`, 1)
	await(t, r, "the other route's events", func() bool { return r.Log.Waiting() == n })
	before := r.Log.Arrivals(0) - n
	// Probes come after 1, 2 and 4 s.
	await(t, r, "two probes", func() bool { return r.Log.Arrivals(0)-n >= before+2 })
	// Five hold the route; by then the other places are taken, and each was
	// passed on at most until the fifth answer was there.
	if got := r.Log.Arrivals(0) - n; got > 3*places+8 {
		t.Errorf("%d attempts at an app that is down", got)
	}
	r.App("app").Behave(nil)
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Books()
	r.Report([]int{31, 37}, "an app answers 503 to everything for longer than the schedule", 1)
}
