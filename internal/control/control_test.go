package control_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

func ids(p control.Page) string {
	var got []string
	for _, e := range p.Events {
		got = append(got, e.ID)
	}
	return strings.Join(got, " ")
}

func TestEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, "message.read", "app", spool.Delivered)
	r.accept(2, "message.failed", "crm", spool.Dead)
	r.accept(3, "message.read", "app", spool.Retrying)
	r.accept(4, "message.read", "app", 0)
	c := r.client()
	for name, tc := range map[string]struct {
		l    control.List
		want string
	}{
		"all":                    {control.List{}, "evt_4 evt_3 evt_2 evt_1"},
		"type":                   {control.List{Filter: control.Filter{Type: "message.failed"}}, "evt_2"},
		"state":                  {control.List{Filter: control.Filter{State: "dead"}}, "evt_2"},
		"route":                  {control.List{Filter: control.Filter{Route: "app"}}, "evt_4 evt_3 evt_1"},
		"message id":             {control.List{Filter: control.Filter{MessageID: "msg_3"}}, "evt_3"},
		"a part of a message id": {control.List{Filter: control.Filter{MessageID: "msg_"}}, ""},
		"text of the body":       {control.List{Filter: control.Filter{Contains: `msg_3"`}}, "evt_3"},
		"text of no body":        {control.List{Filter: control.Filter{Contains: "order 66"}}, ""},
		"text, other message":    {control.List{Filter: control.Filter{MessageID: "msg_3", Contains: "msg_2"}}, ""},
		"text and message":       {control.List{Filter: control.Filter{MessageID: "msg_3", Contains: "message_id"}}, "evt_3"},
		"id":                     {control.List{Filter: control.Filter{ID: "evt_1"}}, "evt_1"},
		"since":                  {control.List{Filter: control.Filter{Since: time.Now().Add(time.Hour)}}, ""},
	} {
		p, err := c.Events(t.Context(), tc.l)
		if err != nil || ids(p) != tc.want {
			t.Errorf("%s: got %q, %v, want %q", name, ids(p), err, tc.want)
		}
	}
	p, err := c.Events(t.Context(), control.List{Limit: 3})
	if err != nil || len(p.Events) != 3 || p.Next == 0 {
		t.Fatalf("a first page of %d, %v", len(p.Events), err)
	}
	if p, err = c.Events(t.Context(), control.List{Limit: 3, Cursor: p.Next}); err != nil || ids(p) != "evt_1" {
		t.Errorf("the second page is %q, %v", ids(p), err)
	}
	e, err := c.Event(t.Context(), control.Ref{Ref: "evt_2"}, false)
	if err != nil || len(e.Deliveries) != 1 || e.Deliveries[0].State != "dead" || len(e.Deliveries[0].Log) != 1 || e.Deliveries[0].Log[0].Status != 500 {
		t.Errorf("the event is %+v, %v", e, err)
	}
	if same, err := c.Event(t.Context(), control.Ref{Ref: fmt.Sprint(e.Number)}, false); err != nil || same.ID != e.ID {
		t.Errorf("by number it is %+v, %v", same, err)
	}
	status, text := r.call("GET", control.Prefix+"events/evt_2/logs", "", "", "")
	logs := decode[control.Logs](t, text)
	if status != 200 || len(logs.Data) != 1 || logs.Data[0].Status != platform.LogFailed || logs.Data[0].ResponseStatus != 500 {
		t.Errorf("its logs are %d %+v", status, logs)
	}
}

// Phone numbers and signatures are seen by nobody who did not ask.
func TestMasked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, "message.read", "app", spool.Dead)
	for _, path := range []string{"events", "events/evt_1", "dead", "logs", "events/evt_1/logs"} {
		status, text := r.call("GET", control.Prefix+path, "", "", "")
		if status != 200 || strings.Contains(text, "5551234") || strings.Contains(text, "sha256=") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	_, text := r.call("GET", control.Prefix+"events/evt_1?reveal=1", "", "", "")
	if !strings.Contains(text, phone) || !strings.Contains(text, "sha256=secret") {
		t.Errorf("nothing was revealed: %s", text)
	}
	raw, err := r.client().Raw(t.Context(), control.Ref{Ref: "evt_1"})
	if err != nil || !bytes.Contains(raw, []byte(phone)) {
		t.Errorf("the raw body is %s, %v", raw, err)
	}
}

// Nothing is for strangers, nor for a page in a browser on the operator's machine.
func TestNeedsTrust(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, "message.read", "app", spool.Dead)
	const page = "http://evil.example"
	for _, c := range []struct{ method, path, body string }{
		{"POST", "events/evt_1/replay", ""},
		{"POST", "events/evt_1/discard", ""},
		{"POST", "quarantine/1/release", ""},
		{"POST", "quarantine/1/discard", ""},
		{"POST", "routes/inbox/app/hold", ""},
		{"POST", "routes/inbox/app/resume", ""},
		{"POST", "routes/inbox/app/retry", ""},
		{"POST", "replay", `{"all":true}`},
		{"POST", "dead/discard", `{"all":true}`},
		{"POST", "store/compact", ""},
		{"GET", "store/backup", ""},
		{"GET", "events/evt_1/raw", ""},
		{"GET", "quarantine/1/raw", ""},
		{"GET", "events?reveal=1", ""},
		{"GET", "events/evt_1?reveal=true", ""},
		{"GET", "events", ""},
		{"GET", "events/evt_1", ""},
		{"GET", "events/evt_1/logs", ""},
		{"GET", "logs", ""},
		{"GET", "dead", ""},
		{"GET", "quarantine", ""},
		{"GET", "routes", ""},
		{"GET", "store", ""},
		{"GET", "openapi.json", ""},
		{"GET", "nothing/of/the/kind", ""},
		{"PUT", "events", ""},
	} {
		for _, token := range []string{"", "wrong", "a-token-of-the-tes"} {
			if status, text := r.call(c.method, control.Prefix+c.path, token, page, c.body); status != http.StatusUnauthorized {
				t.Errorf("%s %s with token %q: %d %s", c.method, c.path, token, status, text)
			}
		}
		if status, _ := r.call(c.method, control.Prefix+c.path, "a-token-of-the-test", page, c.body); status == http.StatusUnauthorized {
			t.Errorf("%s %s is refused with the token", c.method, c.path)
		}
	}
}

func TestOneByOne(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, "message.read", "app", spool.Dead)
	r.accept(2, "message.read", "app", spool.Dead)
	c := r.client()
	if n, err := c.Change(t.Context(), control.Ref{Ref: "evt_1"}, "replay", ""); err != nil || n.Changed != 1 {
		t.Errorf("replay: %+v, %v", n, err)
	}
	if n, err := c.Change(t.Context(), control.Ref{Ref: "evt_1"}, "replay", "crm"); err != nil || n.Changed != 1 {
		t.Errorf("replay to a route it had none for: %+v, %v", n, err)
	}
	if _, err := c.Change(t.Context(), control.Ref{Ref: "evt_1"}, "replay", "appp"); err == nil || !strings.Contains(err.Error(), "no route") {
		t.Errorf("replay to a mistyped route: %v", err)
	}
	if n, err := c.Change(t.Context(), control.Ref{Ref: "evt_2"}, "discard", ""); err != nil || n.Changed != 1 {
		t.Errorf("discard: %+v, %v", n, err)
	}
	if _, err := c.Change(t.Context(), control.Ref{Ref: "evt_9"}, "discard", ""); err == nil || !strings.Contains(err.Error(), "evt_9") {
		t.Errorf("discard of nothing: %v", err)
	}
	for _, step := range []struct{ what, want string }{{"hold", control.RouteHeldByHand}, {"resume", control.RouteReady}} {
		if err := c.SetRoute(t.Context(), "inbox", "app", step.what, "a test"); err != nil {
			t.Fatal(err)
		}
		routes, err := c.Routes(t.Context())
		if err != nil || len(routes) == 0 || routes[0].Route != "app" || routes[0].State != step.want {
			t.Errorf("after %s the routes are %+v, %v", step.what, routes, err)
		}
	}
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, body := range []string{`{"a":1,"a":"` + phone + `"}`, "no JSON " + phone} {
		e := &spool.Event{Source: "inbox", Digest: spool.Digest{byte(len(body))}, Request: spool.Request{Body: []byte(body)}}
		r.ok(r.store.Quarantine(t.Context(), spool.Odd{Event: e, Reason: "duplicate key in JSON"}))
	}
	c := r.client()
	p, err := c.Events(t.Context(), control.List{Quarantine: true})
	if err != nil || len(p.Events) != 2 || p.Events[0].Reason == "" || p.Events[0].Copies != 1 {
		t.Fatalf("quarantine is %+v, %v", p, err)
	}
	for _, e := range p.Events {
		ref := control.Ref{Ref: fmt.Sprint(e.Number), Quarantine: true}
		got, err := c.Event(t.Context(), ref, false)
		if err != nil || len(got.Body)+len(got.Text) == 0 || strings.Contains(string(got.Body)+got.Text, "5551234") {
			t.Errorf("an entry is %+v, %v", got, err)
		}
		if raw, err := c.Raw(t.Context(), ref); err != nil || !bytes.Contains(raw, []byte(phone)) {
			t.Errorf("its body is %s, %v", raw, err)
		}
	}
	ref := control.Ref{Ref: fmt.Sprint(p.Events[0].Number), Quarantine: true}
	if _, err := c.Change(t.Context(), ref, "release", ""); err != nil || len(r.released) != 1 {
		t.Errorf("release: %v", err)
	}
	if _, err := c.Change(t.Context(), ref, "discard", ""); err != nil {
		t.Errorf("discard: %v", err)
	}
	if _, err := c.Change(t.Context(), ref, "discard", ""); err == nil {
		t.Error("it was discarded twice")
	}
}

func TestReplayByFilter(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for n := range 30 {
		r.accept(n, "message.read", "app", []spool.State{spool.Delivered, spool.Dead, spool.Retrying}[n%3])
	}
	c := r.client()
	if _, err := c.Replay(t.Context(), control.Bulk{}, nil); err == nil || !strings.Contains(err.Error(), "every event") {
		t.Errorf("a replay of everything, not asked for: %v", err)
	}
	dead := control.Filter{State: "dead"}
	got, err := c.Replay(t.Context(), control.Bulk{Filter: dead, DryRun: true}, nil)
	if err != nil || got.Matched != 10 || got.Changed != 10 || got.Skipped != 0 {
		t.Errorf("a dry run says %+v, %v", got, err)
	}
	if p, _ := c.Events(t.Context(), control.List{Filter: dead}); len(p.Events) != 10 {
		t.Errorf("a dry run changed something: %d are dead", len(p.Events))
	}
	got, err = c.Replay(t.Context(), control.Bulk{Filter: dead, Max: 4, Rate: 1000}, nil)
	if err != nil || got.Changed != 4 {
		t.Errorf("a replay of four says %+v, %v", got, err)
	}
	got, err = c.Replay(t.Context(), control.Bulk{All: true, Rate: 1000}, nil)
	if err != nil || got.Matched != 30 || got.Changed != 16 || got.Skipped != 14 {
		t.Errorf("a replay of all says %+v, %v", got, err)
	}
	got, err = c.DiscardDead(t.Context(), control.Bulk{All: true}, nil)
	if err != nil || got.Changed != 0 {
		t.Errorf("after all was sent again %+v dead letters went, %v", got, err)
	}
}

// A replay keeps a route's queue short, because live events wait behind it.
func TestReplayHoldsBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for n := range 100 {
		r.accept(n, "message.read", "app", spool.Delivered)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := r.client().Replay(t.Context(), control.Bulk{All: true, Rate: 10000}, nil)
		ended <- err
	}()
	most := int64(0)
	for {
		states, err := r.store.Routes(t.Context())
		r.ok(err)
		most = max(most, states[0].Waiting)
		if most > 32 || states[0].Waiting > 0 {
			// The app takes what waits, slower than the replay might come.
			b, err := r.store.Lease(t.Context(), spool.Pick{Owner: "test", Route: states[0].Key, N: 5, LeaseFor: time.Minute})
			r.ok(err)
			for _, d := range b.Deliveries {
				r.ok(r.store.Settle(t.Context(), spool.Settlement{Lease: d.Lease, State: spool.Delivered, Attempt: spool.Attempt{Status: 200}}))
			}
		}
		select {
		case err := <-ended:
			// Some go between two looks.
			if err != nil || most >= 100 {
				t.Errorf("%d waited at once, %v", most, err)
			}
			return
		default:
		}
	}
}

func TestBackup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, "message.read", "app", spool.Delivered)
	dir := t.TempDir()
	f, err := os.OpenFile(filepath.Join(dir, "spool.db"), os.O_CREATE|os.O_WRONLY, 0o600)
	r.ok(err)
	told := int64(0)
	r.ok(r.client().Backup(t.Context(), f, func(part, _ int64) { told = part }))
	r.ok(f.Close())
	copied, err := sqlite.Open(dir, sqlite.Options{})
	r.ok(err)
	defer copied.Close()
	p, err := copied.Records(t.Context(), spool.Query{})
	if err != nil || len(p.Records) != 1 || told == 0 {
		t.Errorf("the copy has %d events, %v", len(p.Records), err)
	}
	if _, err := r.client().Compact(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if s, err := r.client().Store(t.Context()); err != nil || !s.OK || s.Floor == 0 {
		t.Errorf("the store is %+v, %v", s, err)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for path, want := range map[string]string{
		"GET events?stat=dead":        `unknown parameter \"stat\"`,
		"GET events?state=deadly":     "unknown state",
		"GET events?since=yesterday":  "is no time",
		"GET events?limit=-1":         "give a number",
		"GET events?type=a&type=b":    "more than once",
		"GET events/evt_none":         "no event evt_none",
		"GET quarantine/x":            "no number",
		"POST replay {\"filtre\":{}}": "unknown field",
		"POST routes/inbox/nil/hold":  "no route",
		"GET nowhere":                 "openapi.json",
		"DELETE events":               "openapi.json",
	} {
		words := strings.SplitN(path, " ", 3)
		words = append(words, "")
		status, text := r.call(words[0], control.Prefix+words[1], "", "", words[2])
		if status < 400 || status >= 500 || !strings.Contains(text, want) || !strings.HasPrefix(text, `{"error":`) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if _, err := control.NewClient("ftp://x", ""); err == nil {
		t.Error("a client of a wrong address")
	}
	for _, text := range []string{"2026-03-01", "2026-03-01T10:00:00Z", "90s", "3d"} {
		if _, err := control.ParseTime(text, time.Now()); err != nil {
			t.Error(err)
		}
	}
}
