package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

func TestEventsList(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.accept(1, "message.read", map[string]spool.State{"app": spool.Delivered})
	d.accept(2, "message.failed", map[string]spool.State{"app": spool.Delivered, "crm": spool.Dead})
	d.accept(3, "message.read", map[string]spool.State{"app": spool.Retrying})
	d.accept(4, "custom.type", nil)
	for _, tt := range []struct{ args, want string }{
		{"", "evt_4 evt_3 evt_2 evt_1"},
		{"--type message.read", "evt_3 evt_1"},
		{"--type message.*", "evt_3 evt_2 evt_1"},
		{"--type message.read,message.failed", "evt_3 evt_2 evt_1"},
		{"--type message.action,message.failed", "evt_2"},
		{"--state dead", "evt_2"},
		{"--state unrouted", "evt_4"},
		{"--route crm", "evt_2"},
		{"--source inbox", "evt_4 evt_3 evt_2 evt_1"},
		{"--source other", ""},
		{"--since 1h", "evt_4 evt_3 evt_2 evt_1"},
		{"--until 1h", ""},
		{"--id evt_3", "evt_3"},
		{"--message-id msg_2", "evt_2"},
		{"--state delivered --type message.failed", "evt_2"},
		{"--limit 2", "evt_4 evt_3"},
	} {
		r := d.ask(append([]string{"events", "list", "--format", "json"}, strings.Fields(tt.args)...)...)
		var all []control.Event
		for dec := json.NewDecoder(strings.NewReader(r.out)); dec.More(); {
			var e control.Event
			d.ok(dec.Decode(&e))
			all = append(all, e)
		}
		if r.failed != nil || idsOf(all) != tt.want {
			t.Errorf("%q: %q, %v, want %q", tt.args, idsOf(all), r.failed, tt.want)
		}
	}
	out := d.says("events", "list")
	for _, want := range []string{"NUMBER", "msg_2", "app delivered, crm dead (1 attempt)", "app retrying (1 attempt)", "unrouted"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, phone) {
		t.Error("a phone number is in the list")
	}
	if r := d.ask("events", "list", "--limit", "2"); !strings.Contains(r.err, "2 of 4 events, the newest: --limit 0") || strings.Count(r.out, "\n") != 3 {
		t.Errorf("a list cut short: %+v", r)
	}
}

// A list goes on over the pages of the API.
func TestEventsListPages(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const n = 1201
	for i := range n {
		d.accept(i, "message.read", map[string]spool.State{"app": 0})
	}
	seen := map[string]bool{}
	for _, e := range linesOf[control.Event](d, "events", "list", "--limit", "0") {
		seen[e.ID] = true
	}
	if len(seen) != n {
		t.Errorf("listed %d of %d", len(seen), n)
	}
	if all := linesOf[control.Event](d, "events", "list", "--limit", "700"); len(all) != 700 || all[0].ID != "evt_1200" {
		t.Errorf("listed %d", len(all))
	}
}

func TestEventsShow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	seq := d.accept(2, "message.failed", map[string]spool.State{"crm": spool.Dead})
	out := d.says("events", "show", "evt_2")
	wantLines(t, out, "id evt_2", fmt.Sprintf("number %d", seq), "message msg_2", "route crm: dead, the schedule has ended",
		"request POST https://hooks.example.com/webhooks/inbox from", "Content-Type: application/json", `"to": "`+maskedPhone+`"`)
	if !strings.Contains(out, "status 500") || !strings.Contains(out, "no user "+maskedPhone) {
		t.Errorf("the attempt is not told:\n%s", out)
	}
	if strings.Contains(out, phone) || strings.Contains(out, "00ff") {
		t.Errorf("a number or a signature is shown:\n%s", out)
	}
	if byNumber := d.says("events", "show", fmt.Sprint(seq)); byNumber != out {
		t.Errorf("by its number it is another:\n%s", byNumber)
	}
	out = d.says("events", "show", "evt_2", "--reveal")
	if strings.Count(out, phone) != 2 || !strings.Contains(out, "X-Inbox-Signature: sha256=00ff") {
		t.Errorf("revealed, it lacks a number or the signature:\n%s", out)
	}
	e := linesOf[control.Event](d, "events", "show", "evt_2")
	if len(e) != 1 || e[0].Deliveries[0].Log[0].Status != 500 || strings.Contains(string(e[0].Body), phone) {
		t.Errorf("as JSON: %+v", e)
	}
	if raw := d.says("events", "raw", "evt_2"); raw != string(deskBody(2, "message.failed")) {
		t.Errorf("raw: %q", raw)
	}
}

func TestEventsExport(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 5 {
		d.accept(i, "message.read", map[string]spool.State{"app": spool.Delivered})
	}
	out := d.says("events", "export")
	if strings.Count(out, "\n") != 5 || strings.Contains(out, phone) || strings.Contains(out, `"raw"`) || strings.Count(out, maskedPhone) != 5 {
		t.Errorf("masked:\n%s", out)
	}
	type line struct {
		control.Event
		Raw []byte
	}
	all := linesOf[line](d, "events", "export", "--reveal", "--limit", "3")
	if len(all) != 3 {
		t.Fatalf("exported %d", len(all))
	}
	for i, e := range all {
		if !bytes.Equal(e.Raw, deskBody(4-i, "message.read")) || e.Request == nil || len(e.Deliveries) != 1 || len(e.Deliveries[0].Log) != 1 {
			t.Errorf("line %d is not whole: %+v", i, e)
		}
	}
}

func TestEventsTail(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 3 {
		d.accept(i, "message.read", map[string]spool.State{"app": spool.Delivered})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, ended := &watched{}, make(chan error, 1)
	root := program()
	root.SetOut(out)
	root.SetErr(out)
	root.SetArgs([]string{"inbox", "events", "tail", "--type", "message.read", "--limit", "2", "--every", "5ms", "--admin", d.api.URL})
	go func() { ended <- root.ExecuteContext(ctx) }()
	out.await(t, "evt_2 ")
	d.accept(10, "message.failed", map[string]spool.State{"app": spool.Delivered})
	d.accept(11, "message.read", map[string]spool.State{"app": spool.Dead})
	out.await(t, "evt_11 ")
	d.accept(12, "message.read", nil)
	text := out.await(t, "evt_12 ")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	var got []string
	for line := range strings.Lines(text) {
		got = append(got, strings.Fields(line)[2])
	}
	if strings.Join(got, " ") != "evt_1 evt_2 evt_11 evt_12" || !strings.Contains(text, "app ") {
		t.Errorf("it showed\n%s", text)
	}
}

func TestEventsReplay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 4 {
		d.accept(i, "message.read", map[string]spool.State{"app": spool.Delivered, "crm": spool.Dead})
	}
	d.accept(4, "message.failed", map[string]spool.State{"app": 0})
	if out := d.says("events", "replay", "evt_0", "--route", "crm"); out != "1 delivery sent again.\n" || d.states(0) != "app delivered 0, crm available 1" {
		t.Errorf("one route: %q, %s", out, d.states(0))
	}
	if out := d.says("events", "replay", "evt_0"); out != "1 delivery sent again.\n" || d.states(0) != "app available 1, crm available 1" {
		t.Errorf("every route: %q, %s", out, d.states(0))
	}
	if out := d.says("events", "replay", "evt_4"); !strings.HasPrefix(out, "Nothing was sent again") {
		t.Errorf("one that waits: %q", out)
	}
	if out := d.says("events", "replay", "--type", "message.read", "--dry-run"); out != "6 deliveries of 3 events would be sent again. 1 event had nothing to change.\n" || d.states(1) != "app delivered 0, crm dead 0" {
		t.Errorf("a dry run: %q, %s", out, d.states(1))
	}
	step := linesOf[control.Step](d, "events", "replay", "--route", "app", "--type", "message.read", "--max", "1", "--rate", "10000", "--yes")
	if len(step) != 1 || !step[0].Done || step[0].Changed != 1 || d.states(3) != "app available 1, crm dead 0" {
		t.Errorf("one at most, to app: %+v, %s", step, d.states(3))
	}
	if out := d.says("events", "replay", "--id", "evt_4", "--to", "crm", "--yes"); out != "1 delivery of 1 event sent again.\n" || d.states(4) != "app available 0, crm available 1" {
		t.Errorf("to another route: %q, %s", out, d.states(4))
	}
	if out := d.says("events", "replay", "--all", "--rate", "10000", "--yes"); !strings.HasPrefix(out, "5 deliveries of 3 events sent again.") {
		t.Errorf("all: %q", out)
	}
}

// An event whose delivery waits for an earlier one of its key says so.
func TestEventsShowBehind(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for n := range 2 {
		e := &spool.Event{Source: "inbox", ID: fmt.Sprint("evt_", n+1), Type: "message.read"}
		e.Digest[0] = byte(n)
		_, err := d.store.Accept(t.Context(), spool.Intake{Event: e, Routes: []spool.RouteWish{{Route: "app", Key: "msg_1"}}})
		d.ok(err)
	}
	const says = "waits for an earlier one of its key to end"
	if first, second := d.says("events", "show", "evt_1"), d.says("events", "show", "evt_2"); strings.Contains(first, says) || !strings.Contains(second, says) {
		t.Errorf("only the second is to say %q:\n%s\n%s", says, first, second)
	}
}
