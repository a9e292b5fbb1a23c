package faults

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

const day = 24 * time.Hour

// onceLate fails the first attempt of each event, and tells the crowd of those
// after it.
func onceLate(v *visits, c *crowd) rig.Behaviour {
	return func(w http.ResponseWriter, q *http.Request, a *history.Attempt) {
		if v.note(a) == 1 {
			rig.Answer(http.StatusInternalServerError, "not yet")(w, q, a)
			return
		}
		c.behave(w, q, a)
	}
}

func freshEvents(r *rig.Rig, n int) []history.Event {
	events := make([]history.Event, n)
	for i := range events {
		events[i] = r.Event(event.TypeMessageFailed)
	}
	return events
}

// sendAll sends events at once and requires a 200 of the given result to each.
func sendAll(t *testing.T, r *rig.Rig, result string, events []history.Event) {
	t.Helper()
	for i, a := range r.SendAll(t.Context(), events) {
		insist(t, r, events[i], result, a)
	}
}

// The machine's clock jumps a day ahead while the process runs. No id is
// forgotten before its time, every retry that is due by then is made, within the
// places of its route, and the attempts under way are not made twice.
func TestFaultClockAhead(t *testing.T) {
	t.Parallel()
	const places = 8
	clock, seen := rig.NewWallClock(t), newVisits()
	var c crowd
	hangs := make(chan struct{})
	r := rig.New(t, rig.Options{
		Binary: rig.ClockBinary(t), Env: []string{clock.Env()}, Store: "window 48h",
		Routes: []rig.Route{
			{Name: "app", Types: "message.failed", Retry: "15s 1s 1s 1s", Lines: "max_in_flight 8", Behave: onceLate(seen, &c)},
			{Name: "long", Types: "message.read", Lines: "timeout 1m", Behave: func(w http.ResponseWriter, q *http.Request, a *history.Attempt) {
				<-hangs
				rig.Answer(http.StatusOK, "OK")(w, q, a)
			}},
		},
	})
	r.Start()
	n := rig.Rounds(300, 5000)
	sendAll(t, r, "accepted", freshEvents(r, n))
	wantOK(t, r, r.Event(event.TypeMessageRead), r.Event(event.TypeMessageRead))
	await(t, r, "the first attempts", func() bool { return r.Log.Arrivals(0) == n+2 })
	clock.Set(day)
	await(t, r, "the retries", func() bool { return r.Log.Waiting() == 2 })
	if most := c.most.Load(); most > places {
		t.Errorf("%d attempts at once, and there are %d places", most, places)
	}
	close(hangs)
	r.App("app").Behave(nil)
	r.Settle()
	clock.Set(0)
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Books()
	r.Report([]int{29}, "the clock jumps a day ahead, and back", 1)
}

// The machine's clock is set back by a day while the process runs, with retries
// pending and a route held: they come as they would have, none early.
func TestFaultClockBack(t *testing.T) {
	t.Parallel()
	clock, seen := rig.NewWallClock(t), newVisits()
	var c crowd
	schedule := []time.Duration{3 * time.Second, time.Second, time.Second}
	r := rig.New(t, rig.Options{
		Binary: rig.ClockBinary(t), Env: []string{clock.Env()},
		Routes: []rig.Route{
			{Name: "app", Types: "message.*", Retry: "3s 1s 1s", Behave: onceLate(seen, &c)},
			{Name: "down", Types: "message.failed"},
		},
		Rules: history.Rules{Schedule: map[string][]time.Duration{"app": schedule}},
	})
	var probes atomic.Int64
	r.App("down").Behave(func(w http.ResponseWriter, q *http.Request, a *history.Attempt) {
		probes.Add(1)
		rig.Answer(http.StatusServiceUnavailable, "down")(w, q, a)
	})
	l := r.Start()
	n := rig.Rounds(100, 2000)
	sendAll(t, r, "accepted", freshEvents(r, n))
	l.Await(t, `"msg":"route held"`, 1)
	clock.Set(-day)
	before := probes.Load()
	await(t, r, "the retries", func() bool { return r.Log.Waiting() == n })
	sendAll(t, r, "accepted", freshEvents(r, n))
	if rig.Long() {
		// After 15 s the hold has been read anew, by the clock that was set back.
		await(t, r, "six probes", func() bool { return probes.Load() >= before+6 })
	}
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Start()
	r.App("app").Behave(nil)
	r.App("down").Behave(nil)
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Books()
	r.Report([]int{29}, "the clock is set back by a day", 1)
}

// A clock that is ahead by more than the window, by days and by years, while the
// process runs and at a start, is as if it had been right: what comes then and
// after is delivered, what waited waits on, nothing is in quarantine, nothing dead,
// and what was known is known.
func TestFaultClockAheadOfTheWindow(t *testing.T) {
	t.Parallel()
	clock := rig.NewWallClock(t)
	r := rig.New(t, rig.Options{
		Binary: rig.ClockBinary(t), Env: []string{clock.Env()},
		Routes: []rig.Route{
			{Name: "app", Types: "message.failed"},
			{Name: "down", Types: "message.read", Retry: strings.Repeat("1s ", 15)},
		},
	})
	r.App("down").Behave(rig.Answer(http.StatusServiceUnavailable, "down"))
	r.Start()
	const n = 50
	known := freshEvents(r, n)
	sendAll(t, r, "accepted", known)
	wantOK(t, r, r.Event(event.TypeMessageRead), r.Event(event.TypeMessageRead))
	const years = 10 * 365 * day
	for i, off := range []time.Duration{3 * day, 0, years, 0} {
		if i%2 == 0 {
			clock.Set(off)
		}
		if code := r.Stop(); code != 0 { // What is known stands in a cache.
			t.Errorf("exit code %d", code)
		}
		if i%2 == 1 {
			clock.Set(off)
		}
		l := r.Start()
		more := freshEvents(r, n)
		sendAll(t, r, "accepted", more)
		wantOK(t, r, r.Event(event.TypeMessageRead))
		if off != 0 {
			l.Await(t, "the machine's clock is ahead of what the platform signs", 1)
		}
		sendAll(t, r, "duplicate", known)
		known = append(known, more...)
	}
	r.App("down").Behave(nil)
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := len(r.Books().Quarantine); got != 0 {
		t.Errorf("%d in quarantine", got)
	}
	r.Report([]int{29}, "the clock is ahead by more than the window, and right again", 4)
}
