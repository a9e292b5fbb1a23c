package caddymodule_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/inboxgate/inboxgate/caddymodule"
)

func ask(t *testing.T, method, url string) reply {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, r)
}

// Probes answer for the store, whatever the upstream does.
func TestHealthProbes(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	in := start(t, "", "inbox_health\ninbox_webhook /hook {\nname health\nto 127.0.0.1:1 {\nname app\n}\n}")
	_, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	eventually(t, "the route to be held", func() bool { return gather(t)[ofRoute("inbox_route_held", "health", "app")] == 1 })

	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/healthz", "OK\n", 200},
		{"HEAD", "/healthz", "", 200},
		{"GET", "/readyz", "OK\n", 200},
		{"GET", "/readyz?verbose", "OK\n", 200},
		{"HEAD", "/readyz", "", 200},
		{"POST", "/healthz", "", 405},
		{"DELETE", "/readyz", "", 405},
		{"GET", "/health", "", 404}, // The site's own answer.
		{"GET", "/healthz/", "", 404},
	} {
		got := ask(t, c.method, in.url(c.path))
		if got.status != c.status || got.body != c.body {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.path, got.status, got.body, c.status, c.body)
		}
		if c.status == 405 && got.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: Allow is %q", c.method, c.path, got.header.Get("Allow"))
		}
	}

	if err := os.Rename(in.dir, in.dir+"-away"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store to miss its files", func() bool {
		got := ask(t, "GET", in.url("/readyz"))
		return got.status == 503 && got.body == "the store does not work\n"
	})
	if got := ask(t, "HEAD", in.url("/readyz")); got.status != 503 || got.body != "" {
		t.Errorf("ready without a store: %d %q", got.status, got.body)
	}
	if got := ask(t, "GET", in.url("/healthz")); got.status != 200 {
		t.Errorf("healthy without a store: %d", got.status)
	}
}

// Where nothing needs a store, there is nothing to wait for.
func TestHealthWithoutAStore(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	for name, site := range map[string]string{"alone": "inbox_health", "pass": "inbox_health\nroute /hook {\ninbox_webhook {\nname health-pass\npass\n}\nrespond 200\n}"} {
		t.Run(name, func(t *testing.T) {
			in := start(t, "", site)
			if got := ask(t, "GET", in.url("/readyz")); got.status != 200 {
				t.Errorf("%d %q", got.status, got.body)
			}
		})
	}
}

// What the store says decides.
func TestUnready(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	for what, want := range caddymodule.UnreadyCases() {
		if want[0] != want[1] {
			t.Errorf("%s: %q, want %q", what, want[0], want[1])
		}
	}
}

func TestHealthCaddyfile(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	for _, site := range []string{"inbox_health /healthz now", "inbox_health {\nport 1\n}"} {
		if _, err := adapt(t, "Caddyfile", fmt.Sprintf(":1 {\n%s\n}\n", site)); err == nil {
			t.Errorf("%q was taken", site)
		}
	}
}
