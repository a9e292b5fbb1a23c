package caddymodule_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A site may answer its errors as it likes: what we refuse is never a 2xx, which
// the platform would take for a stored event. Other errors are the site's own.
func TestErrorRoutesMakeNoSuccessOfARefusal(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("sorry"))
		_ = http.NewResponseController(w).Flush()
	}))
	t.Cleanup(page.Close)
	s := newSites(t)
	for name, c := range map[string]struct {
		routes string
		other  int // What another error of the site is answered with.
	}{
		"respond 200":     {"respond 200", 200},
		"respond a page":  {"respond \"sorry\"", 402},
		"respond 202":     {"respond \"sorry\" 202", 202},
		"of one status":   {"@is expression {err.status_code} > 400\n handle @is {\n respond 204\n }", 204},
		"a proxy's":       {"reverse_proxy {\n to " + strings.TrimPrefix(page.URL, "http://") + "\n flush_interval -1\n }", 200},
		"a teapot's":      {"respond 418", 418},
		"nothing written": {"header X-Site mine", 402},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.load("http://hooks.example.test:PORT {\n inbox_webhook /webhooks/inbox 127.0.0.1:1\n error /other 402\n handle_errors {\n " + c.routes + "\n }\n}\n"); err != nil {
				t.Fatal(err)
			}
			_, body := sample(t, "message.read")
			refusal := func(status int) int {
				if c.other == 418 {
					return c.other
				}
				return status
			}
			if got := s.post(t, "hooks.example.test", "/webhooks/inbox", body); got.status != 200 || got.result != "accepted" {
				t.Errorf("a good event: %+v", got)
			}
			for _, r := range []struct {
				method, path, sign string
				status             int
			}{
				{http.MethodPost, "/webhooks/inbox", strings.Repeat("0", 64), refusal(401)},
				{http.MethodPost, "/webhooks/inbox", "", refusal(401)},
				{http.MethodGet, "/webhooks/inbox", "", refusal(405)},
				{http.MethodPost, "/elsewhere", strings.Repeat("0", 64), refusal(404)},
				{http.MethodPost, "/other", "", c.other},
			} {
				q, err := http.NewRequest(r.method, "http://"+s.addr+r.path, strings.NewReader(string(body)))
				if err != nil {
					t.Fatal(err)
				}
				q.Host = "hooks.example.test"
				q.Header.Set("Content-Type", "application/json")
				if r.sign != "" {
					q.Header.Set("X-Inbox-Signature", r.sign)
				}
				if got := send(t, q); got.status != r.status {
					t.Errorf("%s %s, signed %.3q: %d, want %d", r.method, r.path, r.sign, got.status, r.status)
				}
			}
		})
	}
}
