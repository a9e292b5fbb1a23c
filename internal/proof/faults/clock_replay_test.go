package faults

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/verify"
)

// replays are byte-identical copies of events whose ids were forgotten: what a
// sender would be told of them now is not what it was told of the events.
func replays(events []history.Event, when string) []history.Event {
	all := make([]history.Event, len(events))
	for i, e := range events {
		all[i] = e
		all[i].Key, all[i].Odd = e.ID+" "+when, true
	}
	return all
}

// awaitForgotten asks for one event after the other, each once because the
// answer is cached, until one is known no more. It is not in the record: until
// when an event is a duplicate, nobody has promised.
func awaitForgotten(t *testing.T, r *rig.Rig, events []history.Event) {
	t.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for _, e := range events {
		<-tick.C
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL, bytes.NewReader(e.Body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(verify.Header, e.Signature)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		switch result := res.Header.Get("X-Inbox-Result"); result {
		case "quarantined":
			return
		case "duplicate":
		default:
			t.Fatalf("%s: a replay was answered %d %q", e.ID, res.StatusCode, result)
		}
	}
	t.Fatal("no id was forgotten after its window")
}

// Captured requests are replayed once their ids are forgotten, in numbers, and
// again after the window was raised and after the clock was set back: they go
// to quarantine, once a body, and to no app.
func TestFaultReplayAfterTheWindow(t *testing.T) {
	t.Parallel()
	clock := rig.NewWallClock(t)
	r := rig.New(t, rig.Options{Binary: rig.ClockBinary(t), Env: []string{clock.Env()}, Store: "window 4h"})
	r.Start()
	n, times := rig.Rounds(50, 500), rig.Rounds(40, 400)
	captured, asked := freshEvents(r, n), freshEvents(r, 60)
	sendAll(t, r, "accepted", captured)
	r.AwaitAll()
	for i := range asked { // Younger, so that they are forgotten last.
		asked[i] = r.Event(asked[i].Type)
	}
	wantOK(t, r, asked...)
	r.AwaitAll()
	restart := func() {
		t.Helper()
		if code := r.Stop(); code != 0 { // What was asked for stands in a cache.
			t.Errorf("exit code %d", code)
		}
		r.Start()
	}

	restart()
	clock.Pass(5 * time.Hour)
	awaitForgotten(t, r, asked)
	sent := 0
	for range times {
		sendAll(t, r, "quarantined", replays(captured, "after the window"))
		sent += n
	}
	for _, window := range []string{"24h", "168h"} {
		r.Configure(strings.Replace(r.Caddyfile(""), "window 4h", "window "+window, 1))
		restart()
		sendAll(t, r, "quarantined", replays(captured, "with a window of "+window))
		wantOK(t, r, r.Event("message.failed")) // What is new is taken.
	}
	clock.Set(-5 * time.Hour)
	restart()
	sendAll(t, r, "quarantined", replays(captured, "with the clock set back"))
	r.Sentinel()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	b := r.Books()
	if got := len(b.Quarantine); got < n || got > n+len(asked) {
		t.Errorf("%d entries in quarantine after %d replays of %d bodies", got, sent, n)
	}
	r.Report([]int{51}, "captured requests are replayed after the window, and after it was raised", sent)
}
