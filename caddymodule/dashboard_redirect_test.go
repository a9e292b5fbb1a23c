package caddymodule

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// What a site has taken off a path is a client's text: it leads to no other host.
func TestDashboardRedirectStaysHere(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/x/ops":                  "/x/ops/",
		"//evil.example/ops":      "/evil.example/ops/",
		`/\evil.example/ops`:      "/%5Cevil.example/ops/",
		`//\evil.example/ops`:     "/%5Cevil.example/ops/",
		"/\t/evil.example/ops":    "/%09/evil.example/ops/",
		"/evil.example?x#y/ops":   "/evil.example%3Fx%23y/ops/",
		"/\r\nX-Evil: yes//x/ops": "/%0D%0AX-Evil:%20yes/x/ops/",
	} {
		d := &Dashboard{Prefix: "/ops"}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/ops", nil)
		was := http.Request{URL: &url.URL{Path: path}}
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, was))
		w := httptest.NewRecorder()
		if err := d.ServeHTTP(w, r, nil); err != nil {
			t.Fatal(err)
		}
		if got := w.Header().Get("Location"); got != want {
			t.Errorf("%q leads to %q, want %q", path, got, want)
		}
	}
}
