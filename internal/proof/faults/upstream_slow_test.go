package faults

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// hang never answers.
func hang(_ http.ResponseWriter, r *http.Request, _ *history.Attempt) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// drip sends a byte of text every 20 ms, for ever.
func drip(head, text string) rig.Behaviour {
	return func(w http.ResponseWriter, _ *http.Request, _ *history.Attempt) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer panic(http.ErrAbortHandler)
		defer c.Close()
		if _, err := io.WriteString(c, head); err != nil {
			return
		}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

// dripBody answers 200 and then a body that never ends.
func dripBody(w http.ResponseWriter, r *http.Request, _ *history.Attempt) {
	w.WriteHeader(http.StatusOK)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// An attempt takes no longer than its route allows, whatever the app does
// meanwhile; what has not answered by then is tried again.
func TestFaultUpstreamSlow(t *testing.T) {
	t.Parallel()
	const delay, timeout = 100 * time.Millisecond, 500 * time.Millisecond
	r := rig.New(t, rig.Options{
		Routes: []rig.Route{
			{Name: "app", Types: "message.*", Retry: "100ms 100ms 100ms 100ms 100ms", Lines: "timeout 500ms"},
			{Name: "oncall", Types: event.TypeMessageFailed},
		},
	})
	r.Start()
	cases := map[string]struct {
		behave rig.Behaviour
		want   int // attempts
	}{
		"hangs":                     {hang, 3},
		"drips a status line":       {drip("HTTP/1.1 200 ", "O"), 3},
		"drips headers":             {drip("HTTP/1.1 200 OK\r\n", "X: y\r\n"), 3},
		"drips interim answers":     {drip("", "HTTP/1.1 100 Continue\r\n\r\n"), 3},
		"drips the body of a 200":   {dripBody, 1}, // The app has the event.
		"drips the body of a 500":   {drip("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"), 3},
		"drips chunks' extensions":  {drip("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x"), 3},
		"answers nothing and hangs": {drip("", ""), 3},
	}
	sent := make(map[string]string)
	for name, c := range cases {
		seen := newVisits()
		r.App("app").Behave(firstly(seen, 2, c.behave))
		e := r.Event(event.TypeMessageFailed)
		wantOK(t, r, e)
		await(t, r, "the last attempt of what "+name, func() bool { return r.Log.Waiting() == 0 })
		if n := len(seen.of(e.ID)); n != c.want {
			t.Errorf("%s: %d attempts, want %d", name, n, c.want)
		}
		sent[e.ID] = name
	}
	r.App("app").Behave(nil)
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	// By the product's own clock: what the app sees comes late on a busy machine.
	books := r.Books()
	for id, name := range sent {
		d, _ := books.Delivery(id, "app")
		for i, a := range d.Log {
			switch {
			case a.Took < timeout:
				if i < len(d.Log)-1 {
					t.Errorf("%s: attempt %d was given up after %v", name, i+1, a.Took)
				}
			case i > 0 && a.Start.Before(d.Log[i-1].Start.Add(d.Log[i-1].Took+delay-2*time.Millisecond)):
				t.Errorf("%s: attempt %d began early", name, i+1)
			}
		}
	}
	r.Report([]int{33}, "an app hangs or drips: each attempt has its time", len(cases))
}

// A route whose app hangs fills its own places and no others: the events of
// every other route come while not one of its attempts has ended.
func TestFaultHangingRouteHurtsNoOther(t *testing.T) {
	t.Parallel()
	const places = 4
	release := make(chan struct{})
	r := rig.New(t, rig.Options{
		Routes: []rig.Route{
			{Name: "hangs", Types: "message.*", Lines: "timeout 5m\nmax_in_flight 4", Behave: func(w http.ResponseWriter, q *http.Request, a *history.Attempt) {
				select {
				case <-release:
				case <-q.Context().Done():
				}
				rig.Answer(http.StatusOK, "OK")(w, q, a)
			}},
			{Name: "lives", Types: event.TypeMessageFailed},
		},
	})
	r.Start()
	n := rig.Rounds(500, 10000)
	events := make([]history.Event, n)
	for i := range events {
		events[i] = r.Event(event.TypeMessageFailed)
	}
	sendAll(t, r, "accepted", events)
	// All that is waited for is of the route that hangs.
	await(t, r, "the other route's events", func() bool { return r.Log.Waiting() == n })
	if got := r.Log.Arrivals(0); got != n+places {
		t.Errorf("%d attempts, want %d of the route that lives and %d that hang", got, n, places)
	}
	close(release)
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Books()
	r.Report([]int{33}, "an app hangs: other routes feel nothing", 1)
}
