package cli_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// acceptOther has the second source take an event of the same id.
func (d *desk) acceptOther(n int, typ string) {
	d.Helper()
	body := deskBody(n, typ)
	e := &spool.Event{Source: "other", ID: "evt_1", Type: typ, Digest: sha256.Sum256(body), Request: spool.Request{Method: "POST", Body: body}}
	_, err := d.store.Accept(d.Context(), spool.Intake{Event: e, Routes: []spool.RouteWish{{Route: "crm"}}})
	d.ok(err)
}

// An id that two sources have means neither event until --source says which.
func TestSameIDInTwoSources(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.accept(1, "message.read", map[string]spool.State{"app": spool.Delivered})
	d.acceptOther(1, "message.failed")
	// A list of both says which is whose, and one of a single source has no such column.
	for args, want := range map[string][]string{"events list": {"inbox", "other"}, "events list --source inbox": nil, "events list --type message.failed": nil} {
		lines := strings.Split(d.says(strings.Fields(args)...), "\n")
		if has := strings.HasPrefix(strings.Join(strings.Fields(lines[0]), " "), "NUMBER SOURCE RECEIVED"); has != (want != nil) {
			t.Errorf("%s: %s", args, lines[0])
		}
		for i, source := range want { // The newest is first.
			if got := strings.Fields(lines[len(want)-i])[1]; got != source {
				t.Errorf("%s: %s in line %q", args, got, lines[len(want)-i])
			}
		}
	}
	for _, args := range []string{"events show evt_1", "events raw evt_1", "events replay evt_1", "dead replay evt_1", "dead discard evt_1"} {
		r := d.ask(strings.Fields(args)...)
		r.failedAs(t, args)
		r.complains(t, "inbox", "other", "say which source")
	}
	if got := d.says("events", "show", "evt_1", "--source", "other"); !strings.Contains(got, "message.failed") || strings.Contains(got, "message.read") {
		t.Errorf("of other: %s", got)
	}
	d.says("events", "replay", "evt_1", "--source", "inbox")
	page, err := d.store.Records(t.Context(), spool.Query{Source: "inbox"})
	d.ok(err)
	if got := page.Records[0].Deliveries[0]; got.Replay != 1 {
		t.Errorf("its delivery has replay %d", got.Replay)
	}
}

// A store whose inboxgate is down is read by the same commands, and one that is
// in use is refused.
func TestCommandsOnAStillStore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.accept(1, "message.read", map[string]spool.State{"app": spool.Delivered})
	d.accept(2, "message.failed", map[string]spool.State{"app": spool.Dead})
	d.acceptOther(1, "message.failed")
	d.odd("odd")
	ask := func(args string) ran {
		return runCommand(t.Context(), "", append(strings.Fields(args), "--store", d.dir)...)
	}
	ask("events list").complains(t, "in use by process", "leave out --store", "stop it")
	d.ok(d.store.Close())
	for args, want := range map[string][]string{
		"events list":                       {"evt_1", "evt_2", "app delivered", "app dead"},
		"events list --state dead":          {"evt_2"},
		"events list --format json":         {`"id":"evt_2"`},
		"events show evt_2":                 {"message.failed", maskedPhone, "status 500"},
		"events show evt_1 --source other":  {"message.failed", "crm available"},
		"events raw evt_2":                  {phone},
		"events export --type message.read": {`"id":"evt_1"`},
		"dead list":                         {"evt_2", "the schedule has ended"},
		"dead list --group":                 {"status 500"},
		"quarantine list":                   {"no JSON object"},
	} {
		r := ask(args)
		if r.failed != nil {
			t.Errorf("%s: %s", args, r.err)
		}
		for _, w := range want {
			if !strings.Contains(strings.Join(strings.Fields(strings.ReplaceAll(r.out, ":", "")), " "), strings.ReplaceAll(w, ":", "")) {
				t.Errorf("%s: no %q in\n%s", args, w, r.out)
			}
		}
	}
	ask("events show evt_1").complains(t, "say which source")
	ask("events list --route nowhere").complains(t, `there is no route "nowhere"`)
	runCommand(t.Context(), "", "events", "list", "--store", t.TempDir()).complains(t, "there is no store at")
	runCommand(t.Context(), "", "events", "list", "--store", d.dir, "--admin", "localhost:1").complains(t, "give one of them")
	runCommand(t.Context(), "", "events", "list", "--store=").complains(t, "--store is empty")
}
