package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// panicking is a Caddy handler, of somebody else, in a route's chain.
const panicking = `
func init() {
	caddy.RegisterModule(panics{})
	httpcaddyfile.RegisterHandlerDirective("proof_panic", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) { return panics{}, nil })
	httpcaddyfile.RegisterDirectiveOrder("proof_panic", httpcaddyfile.Before, "reverse_proxy")
}

type panics struct{}

func (panics) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.proof_panic", New: func() caddy.Module { return panics{} }}
}

func (panics) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	switch r.Header.Get("X-Inbox-Attempt") {
	case "1":
		panic("a bug of a handler")
	case "2":
		panic(http.ErrAbortHandler)
	case "3":
		var none map[string]int
		none["x"] = 1
	}
	return next.ServeHTTP(w, r)
}
`

// A handler that panics in a route's chain fails that attempt, and nothing else.
func TestFaultHandlerPanics(t *testing.T) {
	t.Parallel()
	const file, block = "sidecar/main.go", "\nimport (\n"
	text, err := os.ReadFile(filepath.Join("..", "..", "..", filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	to := string(text) + panicking
	for _, path := range []string{"net/http", "github.com/caddyserver/caddy/v2", "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile", "github.com/caddyserver/caddy/v2/modules/caddyhttp"} {
		if line := "\"" + path + "\"\n"; !strings.Contains(to, "\t"+line) {
			to = strings.Replace(to, block, block+"\t"+line, 1)
		}
	}
	r := rig.New(t, rig.Options{
		Binary: rig.Overlay(t, []rig.Replacement{{File: file, Old: string(text), New: to}}),
		Routes: []rig.Route{
			{Name: "app", Types: "message.*", Retry: "100ms 100ms 100ms 100ms"},
			{Name: "oncall", Types: event.TypeMessageFailed},
		},
	})
	const proxy = "handle {\n"
	config := r.Caddyfile("")
	if strings.Count(config, proxy) != 2 {
		t.Fatalf("the rig's routes have changed:\n%s", config)
	}
	r.Configure(strings.Replace(config, proxy, proxy+"proof_panic\n", 1))
	l := r.Start()
	for range 5 { // One after the other: five panics in a row would hold the route.
		wantOK(t, r, r.Event(event.TypeMessageFailed))
		r.AwaitAll()
	}
	r.Settle()
	l.Await(t, `"msg":"handler panicked"`, 14) // twice an event, and Settle has two; ErrAbortHandler is no bug
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Books()
	r.Report([]int{20}, "a handler in a route's chain panics", 1)
}
