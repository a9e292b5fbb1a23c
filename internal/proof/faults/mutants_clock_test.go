//go:build linux

package faults

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/verify"
)

// clockAheadAndBack has the clock jump beyond the window, gives the ids time to be
// forgotten, sets it back, and sends a copy: it must not be new.
var clockAheadAndBack = scenario{
	name: "clock ahead and back",
	base: func(t *testing.T) []rig.Replacement { return rig.ClockReplacements(t) },
	run: func(t *testing.T, binary string, patience time.Duration) history.Report {
		clock := rig.NewWallClock(t)
		r := oneRoute(t, binary, rig.Options{Env: []string{clock.Env()}}, rig.Route{})
		r.Start()
		acked := sends(t, r, 100)
		r.Log.AwaitAll(patience)
		r.Stop() // A new process has nothing in its cache.
		clock.Set(25 * time.Hour)
		r.Start()
		forgotten(t, r, acked[1:], 3*sweepsEvery)
		clock.Set(0)
		if a := r.Send(t.Context(), acked[0]); a.Result == "accepted" {
			r.Log.Await(patience, func() bool { return r.Log.Arrivals(r.Life().N) > 0 })
		}
		return r.Log.Check(history.Rules{})
	},
}

// sweepsEvery is how often the store looks for what is old.
const sweepsEvery = 5 * time.Second

// afterTheWindow lets a window pass, waits until the ids are forgotten, and sends a
// copy: it must not be new.
var afterTheWindow = scenario{
	name: "after the window",
	base: func(t *testing.T) []rig.Replacement { return rig.ClockReplacements(t) },
	run: func(t *testing.T, binary string, patience time.Duration) history.Report {
		clock := rig.NewWallClock(t)
		r := oneRoute(t, binary, rig.Options{Env: []string{clock.Env()}}, rig.Route{})
		r.Start()
		acked := sends(t, r, 100)
		r.Log.AwaitAll(patience)
		r.Stop() // A new process has nothing in its cache.
		r.Start()
		clock.Pass(25 * time.Hour)
		if !forgotten(t, r, acked[1:], proctest.Patience) {
			t.Fatal("no id was forgotten a window later")
		}
		again := acked[0]
		again.Key, again.Odd = "the copy", true
		if a := r.Send(t.Context(), again); a.Result == "accepted" {
			r.Log.Await(patience, func() bool { return r.Log.Arrivals(r.Life().N) > 0 })
		}
		return r.Log.Check(history.Rules{})
	},
}

// forgotten waits until the store knows the youngest of the events no more, and
// says whether that came. Each is asked for once: then it stands in the cache. That the answer is of the
// test's own clock keeps it out of the record.
func forgotten(t *testing.T, r *rig.Rig, events []history.Event, within time.Duration) bool {
	t.Helper()
	tick := time.NewTicker(within / time.Duration(len(events)))
	defer tick.Stop()
	for i := len(events) - 1; i >= 0; i-- {
		<-tick.C
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL, bytes.NewReader(events[i].Body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(verify.Header, events[i].Signature)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body) // The head tells.
		res.Body.Close()
		if res.Header.Get("X-Inbox-Result") != "duplicate" {
			return true
		}
	}
	return false
}
