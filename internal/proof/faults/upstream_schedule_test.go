package faults

import (
	"net/http"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// An app that fails for as long as the schedule lasts gets every attempt of it,
// none early and none more, whatever reloads lie between; then there is a dead
// letter. The same table in hours is TestPlatformScheduleIsKept.
func TestFaultScheduleIsKept(t *testing.T) {
	t.Parallel()
	schedule := []time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, time.Second, 2 * time.Second}
	attempts := len(schedule) + 1
	seen := newVisits()
	r := rig.New(t, rig.Options{
		Routes: []rig.Route{
			{Name: "never", Types: "message.read", Retry: "200ms 400ms 800ms 1s 2s", Behave: func(w http.ResponseWriter, q *http.Request, a *history.Attempt) {
				seen.note(a)
				rig.Answer(http.StatusInternalServerError, "no")(w, q, a)
			}},
			{Name: "last", Types: "message.failed", Retry: "200ms 400ms 800ms 1s 2s", Behave: firstly(seen, attempts-1, rig.Answer(http.StatusConflict, "later"))},
		},
		Rules: history.Rules{Schedule: map[string][]time.Duration{"never": schedule, "last": schedule}},
	})
	l := r.Start()
	n := rig.Rounds(40, 2000)
	var events []history.Event
	for range n {
		events = append(events, r.Event(event.TypeMessageRead), r.Event(event.TypeMessageFailed))
	}
	sendAll(t, r, "accepted", events)
	for range 3 {
		r.AwaitArrivals(n)
		if !r.Reload(r.Caddyfile("")) {
			t.Fatal("the reload was refused")
		}
	}
	await(t, r, "the last attempts", func() bool { return r.Log.Waiting() == n && r.Log.Arrivals(0) == 2*n*attempts })
	l.Await(t, `"msg":"dead letter"`, n)
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	books := r.Books()
	for _, e := range events {
		if got := len(seen.of(e.ID)); got != attempts {
			t.Errorf("%s: %d attempts, want %d", e.ID, got, attempts)
		}
		d, ok := books.Delivery(e.ID, e.Routes[0])
		want := map[string]spool.State{"never": spool.Dead, "last": spool.Delivered}[e.Routes[0]]
		if !ok || d.State != want || len(d.Log) != attempts {
			t.Errorf("%s: %v after %d attempts in the log, want %v", e.ID, d.State, len(d.Log), want)
		}
	}
	r.Report([]int{31}, "an app fails for as long as the schedule lasts", n)
}
