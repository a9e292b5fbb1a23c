package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// auditLog keeps the lines of an audit log.
type auditLog struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *auditLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// take returns the lines since the last call.
func (l *auditLog) take(t *testing.T) (lines []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		lines = append(lines, decode[map[string]any](t, line))
	}
	l.buf.Reset()
	return lines
}

func (l *auditLog) options(o *control.Options) { o.Audit = slog.New(slog.NewJSONHandler(l, nil)) }

// Every change has the name of the person and the reason in its line, whichever way it
// came, and a command names nobody.
func TestAuditNamesThePerson(t *testing.T) {
	t.Parallel()
	var log auditLog
	r := newRig(t, log.options)
	for n := range 5 {
		r.accept(n, "message.read", "app", spool.Dead)
	}
	for _, body := range []string{"odd", "odder", "oddest", "more odd"} {
		e := &spool.Event{Source: "inbox", Digest: spool.Digest{byte(len(body))}, Request: spool.Request{Body: []byte(body)}}
		r.ok(r.store.Quarantine(t.Context(), spool.Odd{Event: e, Reason: "body is not JSON"}))
	}
	for name, c := range map[string]*control.Client{"over HTTP": r.client(), "in the process": control.Over(r.api)} {
		as := control.Because(control.AsOperator(t.Context(), "alice"), "the database is back")
		entries, err := c.Events(as, control.List{Quarantine: true})
		r.ok(err)
		entry := func(i int) control.Ref {
			return control.Ref{Ref: fmt.Sprint(entries.Events[i].Number), Quarantine: true}
		}
		all := control.Bulk{Filter: control.Filter{Type: "message.read"}}
		odd := control.Bulk{Filter: control.Filter{Source: "inbox"}}
		dry := odd
		dry.DryRun = true
		var events control.Event
		for what, call := range map[string]func(context.Context) error{
			"replay": func(ctx context.Context) error {
				_, err := c.Change(ctx, control.Ref{Ref: "evt_1"}, "replay", "app")
				return err
			},
			"discard": func(ctx context.Context) error {
				_, err := c.Change(ctx, control.Ref{Ref: "evt_2"}, "discard", "")
				return err
			},
			"release":       func(ctx context.Context) error { _, err := c.Change(ctx, entry(0), "release", ""); return err },
			"discard entry": func(ctx context.Context) error { _, err := c.Change(ctx, entry(1), "discard", ""); return err },
			"hold":          func(ctx context.Context) error { return c.SetRoute(ctx, "inbox", "crm", "hold", "") },
			"resume":        func(ctx context.Context) error { return c.SetRoute(ctx, "inbox", "app", "resume", "") },
			"retry":         func(ctx context.Context) error { _, err := c.RetryRoute(ctx, "inbox", "app"); return err },
			"replay many":   func(ctx context.Context) error { _, err := c.Replay(ctx, all, nil); return err },
			"discard many":  func(ctx context.Context) error { _, err := c.DiscardDead(ctx, all, nil); return err },
			"release many":  func(ctx context.Context) error { _, err := c.ReleaseOdd(ctx, odd, nil); return err },
			"compact":       func(ctx context.Context) error { _, err := c.Compact(ctx, nil); return err },
		} {
			if err := call(as); err != nil {
				t.Errorf("%s, %s: %v", what, name, err)
			}
			lines := log.take(t)
			if len(lines) != 1 || lines[0]["user"] != "alice" || lines[0]["reason"] != "the database is back" {
				t.Errorf("%s, %s: audit has %v, want one line with the person and the reason", what, name, lines)
			}
		}
		_, err = c.ReleaseOdd(as, dry, nil)
		r.ok(err)
		if lines := log.take(t); len(lines) > 0 {
			t.Errorf("a dry run is in the audit log: %v", lines)
		}
		r.ok(c.SetRoute(t.Context(), "inbox", "app", "resume", ""))
		if lines := log.take(t); len(lines) != 1 || lines[0]["user"] != nil || lines[0]["reason"] != nil {
			t.Errorf("a command's line is %v, want no person", lines)
		}
		events, err = c.Event(as, control.Ref{Ref: "evt_1"}, true)
		if err != nil || !strings.Contains(string(events.Body), phone) {
			t.Errorf("%s: %v, %s", name, err, events.Body)
		}
		lines := log.take(t)
		if len(lines) != 1 || lines[0]["user"] != "alice" || lines[0]["event_id"] != "evt_1" {
			t.Errorf("a look at phone numbers, %s: audit has %v", name, lines)
		}
		if strings.Contains(fmt.Sprint(lines), phone) {
			t.Error("the audit log has a phone number")
		}
		if _, err = c.Event(as, control.Ref{Ref: "evt_1"}, false); err != nil || len(log.take(t)) != 0 {
			t.Errorf("a masked look, %s: %v, and a line in the audit log", name, err)
		}
	}
}

// A name is printable and short, whoever wrote it.
func TestNamesAreCleaned(t *testing.T) {
	t.Parallel()
	var log auditLog
	r := newRig(t, log.options)
	for name, want := range map[string]string{
		"  bob  ":                     "bob",
		"eve\r\nX-Inbox-Operator: al": "eveX-Inbox-Operator: al",
		"\u202eecila":                 "ecila",
		"zoë":                         "zoë",
		"a\x00\xff\x1b[31m":           "a[31m",
		strings.Repeat("é", 100):      strings.Repeat("é", 64),
	} {
		ctx := control.Because(control.AsOperator(t.Context(), name), "line\nbreak")
		r.ok(r.client().SetRoute(ctx, "inbox", "app", "resume", ""))
		req, err := http.NewRequestWithContext(t.Context(), "POST", r.server.URL+"/inbox/routes/inbox/app/resume", nil)
		r.ok(err)
		if strings.ContainsAny(name, "\r\n\x00\x1b") {
			name = want
		}
		req.Header["X-Inbox-Operator"] = []string{name}
		res, err := http.DefaultClient.Do(req)
		r.ok(err)
		r.ok(res.Body.Close())
		for _, line := range log.take(t) {
			if line["user"] != want {
				t.Errorf("%q: the audit log has %q, want %q", name, line["user"], want)
			}
			if reason, ok := line["reason"]; ok && reason != "linebreak" {
				t.Errorf("the reason is %q", reason)
			}
		}
	}
}

// A stranger can name nobody, since a stranger may do nothing.
func TestStrangersNameNobody(t *testing.T) {
	t.Parallel()
	var log auditLog
	r := newRig(t, log.options)
	status, _ := r.call("POST", "/inbox/routes/inbox/app/resume", "wrong", "https://evil.example", "")
	if status != http.StatusUnauthorized || len(log.take(t)) != 0 {
		t.Errorf("answered %d", status)
	}
	raw, err := json.Marshal(control.Bulk{Reason: "why"})
	if err != nil || !strings.Contains(string(raw), `"reason":"why"`) {
		t.Errorf("a bulk is %s, %v", raw, err)
	}
}
