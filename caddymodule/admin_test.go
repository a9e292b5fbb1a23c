package caddymodule_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// operated is Caddy with its real admin endpoint on a Unix socket.
func operated(t *testing.T, site string) (*instance, *control.Client) {
	t.Helper()
	in := start(t, "", "")
	// A socket's path is short: at most 107 bytes.
	dir, err := os.MkdirTemp("", "inbox") //nolint:usetesting // As above.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	in.admin = "unix/" + filepath.Join(dir, "admin.sock")
	if err := in.load("", site); err != nil {
		t.Fatal(err)
	}
	c, err := control.NewClient(in.admin, "")
	if err != nil {
		t.Fatal(err)
	}
	return in, c
}

// refused is the status that a call was refused with, 0 if it was not.
func refused(err error) int {
	var e *control.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// entries are the numbers of what is in quarantine, by reason.
func (in *instance) entries() map[string]int64 {
	in.t.Helper()
	all := make(map[string]int64)
	for _, rec := range in.records(spool.Query{Kind: spool.Quarantined}) {
		all[rec.Reason] = rec.Event.Seq
	}
	return all
}

// What is in quarantine can be released, whatever brought it there, and then
// reaches the app as an event of its own, once.
func TestAdminReleases(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, nil)
	in, c := operated(t, fmt.Sprintf("inbox_webhook /hook {\nname admin\nto %s {\nname app\n}\n}", app.addr()))
	url := in.url("/hook")
	id, body := sample(t, "message.read")
	stale := old(t)
	other := bytes.Replace(body, []byte("{"), []byte("{  "), 1)
	for _, b := range [][]byte{body, other, stale, []byte(`{"no":"id"}`)} {
		post(t, url, b)
	}
	app.await(t, id)
	entries := in.entries()
	if len(entries) != 3 {
		t.Fatalf("in quarantine: %v", entries)
	}
	for reason, entry := range entries {
		ref := control.Ref{Quarantine: true, Ref: fmt.Sprint(entry)}
		if n, err := c.Change(t.Context(), ref, "release", ""); err != nil || n.Changed != 1 {
			t.Fatalf("releasing %q: %+v, %v", reason, n, err)
		}
		if _, err := c.Change(t.Context(), ref, "release", ""); refused(err) != http.StatusNotFound {
			t.Errorf("releasing %q again: %v, want 404", reason, err)
		}
	}
	eventually(t, "all bodies at the app", func() bool { return len(app.arrivals()) == 4 })
	ids := make(map[string]string)
	for _, a := range app.arrivals() {
		ids[string(a.Body)] = a.ID
	}
	if got := ids[string(other)]; !strings.HasPrefix(got, id+"~") {
		t.Errorf("the conflict was released as %q, want %s~…", got, id)
	}
	if got := ids[`{"no":"id"}`]; !strings.HasPrefix(got, "body:") {
		t.Errorf("the body without id was released as %q", got)
	}
	if ids[string(stale)] == "" || len(ids) != 4 {
		t.Errorf("released: %v", ids)
	}
	if left := in.entries(); len(left) != 0 {
		t.Errorf("still in quarantine: %v", left)
	}
	// The stale one is known now, and so is each of the others.
	post(t, url, stale)
	eventually(t, "the copy of a released event to be a duplicate", func() bool { return post(t, url, stale).result == "duplicate" })
}

// What belongs to a source that is gone stays, and can still be discarded.
func TestAdminReleaseWithoutSource(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, nil)
	site := "inbox_webhook /hook {\nname %s\nto " + app.addr() + "\n}"
	in, c := operated(t, fmt.Sprintf(site, "gone"))
	post(t, in.url("/hook"), []byte("odd"))
	if err := in.load("", fmt.Sprintf(site, "other")); err != nil {
		t.Fatal(err)
	}
	for _, entry := range in.entries() {
		ref := control.Ref{Quarantine: true, Ref: fmt.Sprint(entry)}
		if _, err := c.Change(t.Context(), ref, "release", ""); refused(err) != http.StatusConflict {
			t.Errorf("releasing: %v, want 409", err)
		}
		if _, err := c.Change(t.Context(), ref, "discard", ""); err != nil {
			t.Errorf("discarding: %v", err)
		}
	}
	if left := in.entries(); len(left) != 0 {
		t.Errorf("still in quarantine: %v", left)
	}
}

// The API holds and resumes routes and sends events again; it stays through
// reloads, also one that fails.
func TestAdminSteers(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, nil)
	site := fmt.Sprintf("inbox_webhook /hook {\nname admin\nto %s {\nname app\n}\n}", app.addr())
	in, c := operated(t, site)
	first, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	app.await(t, first)
	ref := control.Ref{Ref: first}
	eventually(t, "a replay at the app", func() bool {
		n, err := c.Change(t.Context(), ref, "replay", "")
		if err != nil {
			t.Fatal(err)
		}
		return n.Changed == 1
	})
	eventually(t, "the second arrival", func() bool { return app.count(first) == 2 })
	if h := app.arrivals()[1].Header; h.Get("X-Inbox-Replay") != "1" || h.Get("Idempotency-Key") != first+":r1" {
		t.Errorf("headers of a replay: %v", h)
	}

	if err := c.SetRoute(t.Context(), "admin", "app", "hold", "a test"); err != nil {
		t.Fatal(err)
	}
	second, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	if err := in.load("", site+"\nheader X-Other 1"); err != nil {
		t.Fatal(err)
	}
	if err := in.load("", site+"\nreverse_proxy 127.0.0.1:1 {\nlb_policy cookie {\nfallback nothing\n}\n}"); err == nil {
		t.Fatal("a broken configuration was loaded")
	}
	// This one starts, and then finds that it cannot listen there.
	if err := in.load("", site+"\n}\nhttp://192.0.2.1:81 {\nbind 192.0.2.1\nrespond 200"); err == nil {
		t.Fatal("a site on a foreign address was loaded")
	}
	eventually(t, "the event to wait on the held route", func() bool {
		states, err := c.Routes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(states) == 1 && states[0].Waiting == 1
	})
	if n := app.count(second); n != 0 {
		t.Errorf("%d arrivals of an event whose route is held", n)
	}
	if err := c.SetRoute(t.Context(), "admin", "app", "resume", ""); err != nil {
		t.Fatal(err)
	}
	app.await(t, second)

	if err := loadRaw(fmt.Sprintf(`{"admin":{"listen":%q,"config":{"persist":false}}}`, in.admin)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Routes(t.Context()); refused(err) != http.StatusNotFound {
		t.Errorf("without a webhook: %v, want 404", err)
	}
	if err := in.load("", "route /hook {\ninbox_webhook {\nname admin-pass\npass\n}\nrespond 200\n}"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Routes(t.Context()); refused(err) != http.StatusServiceUnavailable {
		t.Errorf("in pass mode: %v, want 503", err)
	}
}

// Over TCP, this machine may change things; a page in its browser may not,
// unless it shows the token.
func TestAdminOverTCP(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	t.Setenv("INBOX_ADMIN_TOKEN", "a-token-of-the-test-123")
	in := start(t, "", "")
	in.admin = "127.0.0.1:" + freePort(t)
	if err := in.load("", "inbox_webhook /hook {\nname admin\nto 127.0.0.1:1 {\nname app\n}\n}"); err != nil {
		t.Fatal(err)
	}
	call := func(method, path, origin, token string) (int, string) {
		r, err := http.NewRequestWithContext(context.Background(), method, "http://"+in.admin+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		raw, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(raw)
	}
	own := "http://" + in.admin
	for _, c := range []struct {
		method, path, origin, token string
		status                      int
	}{
		{"GET", "/inbox/routes", "", "", 200},
		{"POST", "/inbox/routes/admin/app/hold", "", "", 200},
		{"POST", "/inbox/routes/admin/app/resume", own, "", 401},
		{"POST", "/inbox/routes/admin/app/resume", own, "a-token-of-the-test-124", 401},
		{"POST", "/inbox/routes/admin/app/resume", own, "a-token-of-the-test-123", 200},
		{"POST", "/inbox/routes/admin/app/hold", "http://elsewhere.example", "a-token-of-the-test-123", 403},
		{"GET", "/inbox/nothing", "", "", 404},
		{"PUT", "/inbox/routes", "", "", 405},
		{"GET", "/metrics", "", "", 200},
	} {
		if got, body := call(c.method, c.path, c.origin, c.token); got != c.status {
			t.Errorf("%s %s, origin %q, token %q: %d, want %d: %s", c.method, c.path, c.origin, c.token, got, c.status, body)
		}
	}
	if _, body := call("GET", "/metrics", "", ""); !regexp.MustCompile(`(?m)^inbox_store_up\{store="[0-9a-f]{8}"\} 1$`).MatchString(body) {
		t.Error("the admin endpoint's metrics lack ours")
	}
}
