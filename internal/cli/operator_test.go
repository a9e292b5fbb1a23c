package cli_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

const (
	phone       = "+15551234567"
	maskedPhone = "+1********67"
)

// desk is a real store with the operator's API before it, and commands that ask
// there.
type desk struct {
	*testing.T
	dir   string
	store *sqlite.Store
	api   *httptest.Server
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, dir: t.TempDir()}
	var err error
	d.store, err = sqlite.Open(d.dir, sqlite.Options{})
	d.ok(err)
	t.Cleanup(func() { _ = d.store.Close() })
	d.ok(d.store.Configure(t.Context(), "", "inbox", []spool.RouteName{{Name: "app"}, {Name: "crm"}}))
	d.ok(d.store.Configure(t.Context(), "", "other", []spool.RouteName{{Name: "crm"}}))
	configured := map[spool.RouteKey]bool{
		{Source: "inbox", Route: "app"}: true, {Source: "inbox", Route: "crm"}: true, {Source: "other", Route: "crm"}: true,
	}
	d.api = httptest.NewServer(control.New(control.Options{
		Store:      d.store,
		Configured: func() map[spool.RouteKey]bool { return configured },
		Retry:      func(spool.RouteKey, int64) bool { return true },
		Release: func(ctx context.Context, rec spool.Record, dryRun bool) (control.Released, error) {
			e := *rec.Event
			e.ID = cmp.Or(e.ID, "released")
			became := control.Released{ID: e.ID, Type: e.Type, Routes: []string{}}
			in := spool.Intake{Event: &e, DeliverStale: true, Release: rec.Event.Seq}
			if e.Type != "" {
				became.Routes = append(became.Routes, "app")
				in.Routes = []spool.RouteWish{{Route: "app"}}
			}
			if dryRun {
				return became, nil
			}
			_, err := d.store.Accept(ctx, in)
			return became, err
		},
	}))
	t.Cleanup(d.api.Close)
	return d
}

func (d *desk) ok(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func deskBody(n int, typ string) []byte {
	return fmt.Appendf(nil, `{"id":"evt_%d","type":%q,"data":{"message_id":"msg_%d","to":%q}}`, n, typ, n, phone)
}

// accept stores event n and ends each of its deliveries in the state given.
func (d *desk) accept(n int, typ string, states map[string]spool.State) int64 {
	d.Helper()
	body := deskBody(n, typ)
	e := &spool.Event{
		Source: "inbox", ID: fmt.Sprintf("evt_%d", n), Type: typ, CreatedAt: time.Now(), Digest: sha256.Sum256(body),
		Request: spool.Request{
			Method: "POST", URI: "/webhooks/inbox", Host: "hooks.example.com", Scheme: "https",
			Header: http.Header{"X-Inbox-Signature": {"sha256=00ff"}, "Content-Type": {"application/json"}}, Body: body,
		},
	}
	in := spool.Intake{Event: e, Owner: "test", LeaseFor: time.Minute}
	for _, route := range []string{"app", "crm", "old"} {
		if state, ok := states[route]; ok {
			in.Routes = append(in.Routes, spool.RouteWish{Route: route, Start: state != 0})
		}
	}
	got, err := d.store.Accept(d.Context(), in)
	d.ok(err)
	for _, run := range got.Running {
		at := spool.Attempt{N: 1, Start: time.Now(), Took: 5 * time.Millisecond, Status: 500, Error: "status 500", Response: []byte("no user " + phone)}
		state := states[run.Route.Route]
		if state == spool.Delivered {
			at.Status, at.Error, at.Response = 200, "", nil
		}
		d.ok(d.store.Settle(d.Context(), spool.Settlement{Lease: run.Lease, State: state, Attempt: at, Reason: "the schedule has ended", Due: time.Now().Add(time.Hour)}))
	}
	return got.Seq
}

func (d *desk) odd(body string) {
	d.Helper()
	e := &spool.Event{Source: "inbox", Digest: sha256.Sum256([]byte(body)), Request: spool.Request{Method: "POST", Body: []byte(body)}}
	d.ok(d.store.Quarantine(d.Context(), spool.Odd{Event: e, Reason: "no JSON object"}))
}

// states tells how the deliveries of event n are, as the store has them.
func (d *desk) states(n int) string {
	d.Helper()
	page, err := d.store.Records(d.Context(), spool.Query{ID: fmt.Sprintf("evt_%d", n)})
	d.ok(err)
	if len(page.Records) != 1 {
		d.Fatalf("%d events of number %d", len(page.Records), n)
	}
	var all []string
	for _, v := range page.Records[0].Deliveries {
		all = append(all, fmt.Sprintf("%s %s %d", v.Route, v.State, v.Replay))
	}
	return strings.Join(all, ", ")
}

// ask runs a command there.
func (d *desk) ask(args ...string) ran {
	d.Helper()
	return runCommand(d.Context(), "", append(args, "--admin", d.api.URL)...)
}

// says is the output of a command that has to succeed, and say nothing else.
func (d *desk) says(args ...string) string {
	d.Helper()
	r := d.ask(args...)
	if r.failed != nil || r.err != "" {
		d.Errorf("%q: %v, %q", args, r.failed, r.err)
	}
	if strings.Contains(r.out, "\x1b") {
		d.Errorf("%q: colours where there is no terminal", args)
	}
	return r.out
}

// linesOf are the lines of --format json.
func linesOf[T any](d *desk, args ...string) (all []T) {
	d.Helper()
	for line := range strings.Lines(d.says(append(args, "--format", "json")...)) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			d.Fatalf("%q: %v in %q", args, err, line)
		}
		all = append(all, v)
	}
	return all
}

func idsOf(events []control.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, e.ID)
	}
	return strings.Join(all, " ")
}

func wantLines(t *testing.T, out string, want ...string) {
	t.Helper()
	lines := strings.Split(out, "\n")
	for _, w := range want {
		found := false
		for _, l := range lines {
			found = found || strings.Join(strings.Fields(l), " ") == w
		}
		if !found {
			t.Errorf("no line %q in\n%s", w, out)
		}
	}
}

func TestOperatorCommandsRefuse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	seq := d.accept(1, "message.read", map[string]spool.State{"app": spool.Delivered})
	for _, tt := range []struct {
		args string
		says []string
	}{
		{"events", nil},
		{"events lst", []string{`unknown command "lst"; did you mean "list"?`}},
		{"events list --state ded", []string{`unknown state "ded"; did you mean "dead"?`}},
		{"events list --type failed", []string{`unknown event type "failed"; did you mean "message.failed"?`}},
		{"events list --type message.read,failed", []string{`unknown event type "failed"; did you mean "message.failed"?`}},
		{"events list --type mess*", []string{`"mess*" is no type`, "message.*"}},
		{"events list --type message.read,,message.failed", []string{"an empty type"}},
		{"events list --since 1h --until 2h", []string{"--since is not before --until", "--since 2h --until 1h"}},
		{"events list --since 2026-03-02 --until 2026-03-01", []string{"--since is not before --until", "--since 2026-03-01 --until 2026-03-02"}},
		{"events list --type message.red", []string{`unknown event type "message.red"; did you mean "message.read"?`}},
		{"events list --since yesterday", []string{"--since", `"yesterday" is no time`}},
		{"events list --id=", []string{"--id is empty"}},
		{"events list --format yaml", []string{`--format is "yaml": say text or json`}},
		{"events show", []string{"0 arguments: give the id or the number of one event", "inbox events list"}},
		{"events show evt_9", []string{"no event evt_9"}},
		{"events replay", []string{"nothing is chosen", "--all"}},
		{"events replay --type message.read", []string{"no terminal", "--dry-run", "--yes"}},
		{"events replay --all --type message.read --yes", []string{"--all and a filter exclude each other"}},
		{"events replay --all --rate 0 --yes", []string{"--rate must be above 0"}},
		{"events replay evt_1 --since 2h", []string{"--since is for a filter"}},
		{"events replay evt_1 --route nowhere", []string{`no route "nowhere"`}},
		{"events tail --every 0s", []string{"--every must be above zero"}},
		{"dead discard --all", []string{"no terminal"}},
		{"dead replay evt_9", []string{"no event evt_9"}},
		{"quarantine show x", []string{`"x" is no number`}},
		{"quarantine release 77", []string{"not found"}},
		{"routes hold nowhere", []string{`there is no route "nowhere"`}},
		{"routes hold ap", []string{`did you mean "app"?`}},
		{"routes hold crm", []string{"several sources", "--source inbox or --source other"}},
	} {
		r := d.ask(strings.Fields(tt.args)...)
		if tt.says == nil {
			if r.failed != nil || !strings.Contains(r.out, "Available Commands:") {
				t.Errorf("%s: %v, %q", tt.args, r.failed, r.out)
			}
			continue
		}
		r.failedAs(t, tt.args)
		r.complains(t, tt.says...)
	}
	if got := d.states(1); got != "app delivered 0" || seq == 0 {
		t.Errorf("a refused command changed the event: %s", got)
	}
	d.api.Close()
	d.ask("routes", "list").complains(t, "connection refused", "is it running there?", "--admin or INBOX_ADMIN")
	runCommand(t.Context(), "", "routes", "list", "--admin", "ftp://x").complains(t, "no address of an admin endpoint")
}

// failedAs names the command before complains does its work.
func (r ran) failedAs(t *testing.T, args string) {
	t.Helper()
	if r.failed == nil {
		t.Errorf("%s did not fail: %s", args, r.out)
	}
}

func TestOperatorCompletion(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	complete := func(args ...string) string {
		t.Helper()
		var out strings.Builder
		root := program()
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(append([]string{"__complete", "inbox"}, args...))
		d.ok(root.Execute())
		return out.String()
	}
	for _, tt := range []struct{ args, want string }{
		{"events list --state=", "waiting\navailable\nrunning\nretrying\nparked\ndelivered\ndead\ndiscarded\nunrouted\n"},
		{"events list --type=", "message.delivered\nmessage.read\nmessage.failed\nmessage.action\n"},
		{"dead list --format=", "text\njson\n"},
		{"routes list --format=", "text\njson\n"},
		{"routes hold --admin " + d.api.URL + " ", "app\ncrm\n"},
		{"events replay --admin " + d.api.URL + " --source=", "inbox\nother\n"},
		{"events replay --admin " + d.api.URL + " --to=", "app\ncrm\n"},
		{"events re", "replay"},
		{"quaran", "quarantine"},
	} {
		args := strings.Split(tt.args, " ")
		if got := complete(args...); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s completes to %q, want %q", tt.args, got, tt.want)
		}
	}
	if got := complete("events", "list", "--admin", "127.0.0.1:1", "--route="); !strings.HasPrefix(got, ":4") {
		t.Errorf("without an inboxgate it says %q", got)
	}
}

// Every word of --state is one that the API knows.
func TestStatesAreTheAPIs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, state := range strings.Fields("available running retrying delivered dead discarded unrouted") {
		if out := d.says("events", "list", "--state", state); out != "There are none.\n" {
			t.Errorf("%s: %q", state, out)
		}
	}
}
