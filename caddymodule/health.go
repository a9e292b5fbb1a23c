package caddymodule

import (
	"cmp"
	"fmt"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/inboxgate/inboxgate/internal/control"
)

// Health answers probes: `/healthz` while the process lives, and `/readyz`
// while new events can be taken: the store works and has room, the machine or
// the store knows the time, and the process is not stopping. Whether upstreams can be reached does not matter, because
// events are taken and wait. Other paths go to the next handler.
type Health struct {
	app *App
}

const (
	healthDirective = control.HealthDirective
	// healthHeader distinguishes our answer from that of any other server.
	healthHeader = control.HealthHeader
)

// CaddyModule returns the Caddy module information.
func (Health) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers." + healthDirective, New: func() caddy.Module { return new(Health) }}
}

// Provision finds the app.
func (h *Health) Provision(ctx caddy.Context) error {
	app, err := ctx.App(appID)
	if err != nil {
		return fmt.Errorf("loading the %s app: %w", appID, err)
	}
	h.app = app.(*App)
	h.app.guards.bound(ctx, h.app.log)
	h.app.guards.probed(ctx)
	return nil
}

// ServeHTTP answers a probe.
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	why := ""
	switch r.URL.Path {
	case "/healthz":
	case "/readyz":
		why = h.app.unready()
	default:
		return next.ServeHTTP(w, r)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return caddyhttp.Error(http.StatusMethodNotAllowed, nil)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set(healthHeader, cmp.Or(why, "ok"))
	if why != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, why+"\n")
		return nil
	}
	_, _ = io.WriteString(w, "OK\n")
	return nil
}

// unready returns why no event can be taken, or nothing.
func (a *App) unready() string {
	if caddy.Exiting() {
		return "stopping"
	}
	if len(a.sources.routed()) == 0 {
		return "" // Nothing here needs a store.
	}
	run := a.started()
	if run == nil {
		return "the store is not open yet"
	}
	return run.Unready()
}

func parseHealth(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	if h.NextArg() {
		return nil, h.Errf("%s takes no argument; '%s' is too much", healthDirective, h.Val())
	}
	if h.NextBlock(0) {
		return nil, h.Errf("%s takes no block", healthDirective)
	}
	return new(Health), nil
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Health)(nil)
	_ caddyhttp.MiddlewareHandler = (*Health)(nil)
)
