package faults

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// webhook is a directive with the routes that are given.
func webhook(routes ...string) string {
	text := "inbox_webhook " + rig.Path + " {\n"
	for _, r := range routes {
		text += r
	}
	return text + "}\n"
}

// on is one route of a rig's app.
func on(r *rig.Rig, types, name, lines string) string {
	return fmt.Sprintf("on %s {\nname %s\n%s\nhandle {\nreverse_proxy %s {\nheader_up %s {env.PROOF_LIFE}\n}\n}\n}\n",
		types, name, lines, r.App(name).Addr, history.Life)
}

// Events whose route has left the configuration wait, the log says how many,
// also after a restart, and they come when the route is back, or when another
// says that it was this one.
func TestFaultRouteRemoved(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{Routes: []rig.Route{
		{Name: "app", Types: "message.*"}, {Name: "old", Types: event.TypeMessageFailed}, {Name: "new", Types: event.TypeMessageFailed},
	}})
	app := on(r, "message.*", "app", "")
	both := r.Site(webhook(app, on(r, event.TypeMessageFailed, "old", "")))
	without := r.Site(webhook(app))
	renamed := r.Site(webhook(app, on(r, event.TypeMessageFailed, "new", "was old")))
	reload := func(text string) {
		t.Helper()
		if !r.Reload(text) {
			t.Fatal("the reload was refused")
		}
	}
	const n = 25
	send := func(routes ...string) {
		t.Helper()
		for range n {
			e := r.Event(event.TypeMessageFailed)
			e.Routes = routes
			wantOK(t, r, e)
		}
	}
	parked := fmt.Sprintf(`"route":"old","deliveries":%d`, n)

	r.Configure(both)
	l := r.Start()
	r.App("old").Stop()
	send("app", "old")
	reload(without)
	l.Await(t, parked, 1)
	r.App("old").Start()
	send("app") // Nothing of these is for it any more.
	await(t, r, "the events of the route that stayed", func() bool { return r.Log.Waiting() == n })
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if d := r.Books().Deliveries; d[spool.Available]+d[spool.Retrying] != n {
		t.Errorf("%v in the store, want %d waiting", d, n)
	}
	l = r.Start()
	l.Await(t, parked, 1)
	reload(both)
	r.AwaitAll()

	r.App("old").Stop()
	send("app", "new")
	reload(without)
	l.Await(t, parked, 2)
	reload(renamed)
	r.AwaitAll()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if d := r.Books().Deliveries; d[spool.Delivered] != 5*n {
		t.Errorf("%v in the store, want %d delivered", d, 5*n)
	}
	r.Report([]int{38}, "a route leaves the configuration with events waiting", 2)
}

// What no route takes is stored, and known when it comes again.
func TestFaultUnrouted(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{Routes: []rig.Route{{Name: "oncall", Types: event.TypeMessageFailed}}})
	r.Start()
	var events []history.Event
	for n := range rig.Rounds(20, 1000) {
		e := r.Event(event.TypeMessageRead)
		if n%2 == 0 {
			e.Type = "message.of_the_future"
			e.Body = bytes.Replace(e.Body, []byte(event.TypeMessageRead), []byte(e.Type), 1)
			e.Signature = rig.Sign(e.Body)
		}
		events = append(events, e)
	}
	wantOK(t, r, events...)
	r.Settle() // Sends each once more.
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	stored := make(map[string]spool.Record)
	for _, record := range r.Books().Events {
		stored[record.Event.ID] = record
	}
	for _, e := range events {
		s, ok := stored[e.ID]
		if !ok || len(s.Deliveries) != 0 || s.Event.Type != e.Type || !bytes.Equal(s.Event.Request.Body, e.Body) {
			t.Errorf("%s %s: stored %t with %d deliveries", e.Type, e.ID, ok, len(s.Deliveries))
		}
	}
	r.Report([]int{39}, "no route takes the type", len(events))
}
