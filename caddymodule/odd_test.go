package caddymodule_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

func bodyOf(id, typ, created, data string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"type":%q,"created_at":%s,"data":%s}`, id, typ, created, data)
}

func nowText() string { return `"` + time.Now().UTC().Format(time.RFC3339) + `"` }

// What is inside data is the app's affair: the event is delivered, byte by byte.
func TestOddDataIsDelivered(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, nil)
	in := start(t, "", fmt.Sprintf("inbox_webhook /hook {\nname odd-data\non message.action %s {\nname app\n}\n}", app.addr()))
	for id, data := range map[string]string{
		"evt_lone": `{"label":"Yes \ud83d"}`, "evt_twice": `{"a":1,"a":2}`, "evt_id_twice": `{"id":"x","id":"y"}`,
	} {
		body := bodyOf(id, "message.action", nowText(), data)
		if got := post(t, in.url("/hook"), body); got.result != "accepted" {
			t.Errorf("%s: %+v", id, got)
		}
		app.await(t, id)
	}
	lower := bodyOf("evt_lower", "message.action", strings.ToLower(nowText()), "{}")
	if got := post(t, in.url("/hook"), lower); got.result != "accepted" {
		t.Errorf("created_at in lower case: %+v", got)
	}
}

// A header that names no coding does not make JSON anything else.
func TestContentEncodingThatIsNone(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, nil)
	in := start(t, "", fmt.Sprintf("inbox_webhook /hook {\nname encoding\nto %s {\nname app\n}\n}", app.addr()))
	for i, c := range []struct {
		values []string
		want   string
	}{
		{[]string{"UTF-8"}, "accepted"},
		{[]string{"utf8"}, "accepted"},
		{[]string{"identity, identity"}, "accepted"},
		{[]string{"identity", "identity"}, "accepted"},
		{[]string{""}, "accepted"},
		{[]string{" , "}, "accepted"},
		{[]string{"none"}, "accepted"},
		{[]string{"binary"}, "accepted"},
		{[]string{"application/json; charset=utf-8"}, "accepted"},
		{[]string{"gzip"}, "quarantined"},
		{[]string{"identity, GZIP"}, "quarantined"},
		{[]string{"UTF-8", "br"}, "quarantined"},
		{[]string{"deflate;q=1"}, "quarantined"},
		{[]string{"zstd"}, "quarantined"},
		{[]string{"x-gzip"}, "quarantined"},
		{[]string{"compress"}, "quarantined"},
	} {
		id := fmt.Sprintf("evt_enc_%d", i)
		r := request(t, in.url("/hook"), bodyOf(id, "message.read", nowText(), "{}"))
		r.Header["Content-Encoding"] = c.values
		if got := send(t, r); got.result != c.want {
			t.Errorf("%q: %+v, want %s", c.values, got, c.want)
		}
		if c.want != "accepted" {
			continue
		}
		app.await(t, id)
	}
	for _, a := range app.arrivals() {
		if v, ok := a.Header["Content-Encoding"]; ok {
			t.Errorf("the app is told Content-Encoding %q", v)
		}
	}
	// Neither signed as it is, nor JSON: as before.
	r := request(t, in.url("/hook"), []byte("\x1f\x8b not really"))
	r.Header.Set("Content-Encoding", "UTF-8")
	if got := send(t, r); got.result != "quarantined" {
		t.Errorf("bytes that are no JSON: %+v", got)
	}
}

// An odd body keeps what is beyond doubt. Released, it goes to the routes of its
// type under its own id, or the operator is told that none takes it; and then it
// is known.
func TestReleaseGoesWhereItBelongs(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, nil)
	in, c := operated(t, fmt.Sprintf("inbox_webhook /hook {\nname belongs\non message.action %s {\nname app\n}\n}", app.addr()))
	url := in.url("/hook")
	bodies := map[string][]byte{
		"evt_bom":    append([]byte("\ufeff"), bodyOf("evt_bom", "message.action", nowText(), "{}")...),
		"evt_epoch":  bodyOf("evt_epoch", "message.action", "1736937003", "{}"),
		"evt_null":   bodyOf("evt_null", "message.action", "null", "{}"),
		"evt_offset": bodyOf("evt_offset", "message.action", `"2025-01-15T10:30:00+0000"`, "{}"),
		"evt_old":    bodyOf("evt_old", "message.action", `"2025-01-15T10:30:00Z"`, "{}"),
		"evt_read":   bodyOf("evt_read", "message.read", "1736937003", "{}"),
	}
	for id, body := range bodies {
		if got := post(t, url, body); got.result != "quarantined" {
			t.Fatalf("%s: %+v", id, got)
		}
	}
	page, err := c.Events(t.Context(), control.List{Quarantine: true})
	if err != nil || len(page.Events) != len(bodies) {
		t.Fatalf("%d entries, %v", len(page.Events), err)
	}
	for _, e := range page.Events {
		if bodies[e.ID] == nil || !strings.HasPrefix(e.Type, "message.") {
			t.Errorf("entry %+v", e)
		}
		if e.ID == "evt_bom" && e.CreatedAt.IsZero() {
			t.Error("created_at was not kept")
		}
		n, err := c.Change(t.Context(), control.Ref{Quarantine: true, Ref: fmt.Sprint(e.Number)}, "release", "")
		if err != nil || n.Released == nil || n.Released.ID != e.ID {
			t.Fatalf("releasing %s: %+v, %v", e.ID, n, err)
		}
		if want := map[bool]int{true: 0, false: 1}[e.ID == "evt_read"]; len(n.Released.Routes) != want {
			t.Errorf("%s goes to %v, want %d", e.ID, n.Released.Routes, want)
		}
		if e.ID != "evt_read" {
			app.await(t, e.ID)
		}
	}
	for id, body := range bodies {
		if got := post(t, url, body); got.result != "duplicate" {
			t.Errorf("%s again: %+v", id, got)
		}
	}
	if got := in.records(spool.Query{Unrouted: true}); len(got) != 1 || got[0].Event.ID != "evt_read" {
		t.Errorf("unrouted: %+v", got)
	}
	for _, a := range app.arrivals() {
		if a.Header.Get("X-Inbox-Event-Type") != "message.action" {
			t.Errorf("%s came with type %q", a.ID, a.Header.Get("X-Inbox-Event-Type"))
		}
	}
}

// Who pastes an example of last year learns why it is not delivered.
func TestReasonSaysHowOld(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, nil)
	in := start(t, "", fmt.Sprintf("inbox_webhook /hook {\nname how-old\nto %s\n}", app.addr()))
	for created, want := range map[string]string{
		`"2025-01-15T10:30:00Z"`: "created before the window: created_at is 2025-01-15T10:30:00Z, which is ",
		`"2099-01-15T10:30:00Z"`: "created too far in the future: created_at is 2099-01-15T10:30:00Z, which is ",
	} {
		got := post(t, in.url("/hook"), bodyOf("evt_"+created[1:5], "message.read", created, "{}"))
		if got.status != http.StatusOK || !strings.HasPrefix(got.reason, want) || !strings.Contains(got.reason, " days ") {
			t.Errorf("%s: %+v, want %q", created, got, want)
		}
	}
}
