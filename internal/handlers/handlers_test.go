package handlers_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/inboxgate/inboxgate/internal/handlers"
)

const proxy = `{"handler":"subroute","routes":[{"handle":[{"handler":"reverse_proxy","upstreams":[{"dial":"app:3000"},{"dial":"{env.APP}"}]}]}]}`

func TestDialsAreFoundAnywhere(t *testing.T) {
	t.Parallel()
	dynamic := json.RawMessage(`{"handler":"reverse_proxy","dynamic_upstreams":{"source":"a","name":"{http.request.host}","versions":[{"x":"y"}]}}`)
	got := handlers.Dials(json.RawMessage(proxy), dynamic, json.RawMessage(`{"broken`))
	slices.Sort(got)
	if want := []string{"a", "app:3000", "y", "{env.APP}", "{http.request.host}"}; !slices.Equal(got, want) {
		t.Errorf("dials are %q, want %q", got, want)
	}
}

func TestMentions(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"reverse_proxy": true, "subroute": true, "app:3000": false, "respond": false} {
		if got := handlers.Mentions(json.RawMessage(proxy), name); got != want {
			t.Errorf("%s is mentioned: %t, want %t", name, got, want)
		}
	}
}

func TestRewritesTo(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"handler":"rewrite","uri":"/hooks/app?x=1"}`:              "/hooks/app",
		`{"handler":"rewrite","strip_path_prefix":"/hooks"}`:        "",
		`{"handler":"reverse_proxy","uri":"/no such member of it"}`: "",
	} {
		if got, ok := handlers.RewritesTo(json.RawMessage(raw)); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t, want %q", raw, got, ok, want)
		}
	}
}

func TestHandlersThatEndWithTheirContext(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		`{"handler":"headers"}`:                                          true,
		`{"handler":"reverse_proxy"}`:                                    true,
		`{"handler":"reverse_proxy","transport":{"protocol":"http"}}`:    true,
		`{"handler":"reverse_proxy","transport":{"protocol":"fastcgi"}}`: false,
		`{"handler":"subroute"}`:                                         false,
		`{"broken`:                                                       false,
	} {
		if got := handlers.EndWithContext([]json.RawMessage{json.RawMessage(`{"handler":"vars"}`), json.RawMessage(raw)}); got != want {
			t.Errorf("%s: %t, want %t", raw, got, want)
		}
	}
}
