package caddymodule

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/env"
)

// Operator serves the operator's API below `/inbox/` to callers on other
// machines. Each call, to look as well as to change, must show the admin token;
// without a configured one it refuses to start. Other paths go to the next
// handler. Caddy's own admin API is not part of it, and belongs on a Unix socket
// or on loopback.
type Operator struct {
	app *App
}

const operatorDirective = "inbox_admin"

// CaddyModule returns the Caddy module information.
func (Operator) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers." + operatorDirective, New: func() caddy.Module { return new(Operator) }}
}

// Provision finds the app, and insists on its token.
func (o *Operator) Provision(ctx caddy.Context) error {
	app, err := ctx.App(appID)
	if err != nil {
		return fmt.Errorf("loading the %s app: %w", appID, err)
	}
	o.app = app.(*App)
	o.app.guards.bound(ctx, o.app.log)
	if o.app.token == "" {
		return fmt.Errorf("%s without a token would be open to everybody: set %s to, for example, the output of `openssl rand -hex 24` (or `admin_token` in the global option %s)",
			operatorDirective, env.AdminToken, appID)
	}
	return nil
}

// ServeHTTP answers a call of an operator.
func (o *Operator) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !strings.HasPrefix(r.URL.Path, control.Prefix) {
		return next.ServeHTTP(w, r)
	}
	if control.RefuseStranger(w, r, o.app.token) {
		return nil
	}
	run := o.app.started()
	if run == nil {
		http.Error(w, "no store is open: only webhooks with routes have one", http.StatusServiceUnavailable)
		return nil
	}
	o.app.api(run).ServeHTTP(w, r)
	return nil
}

func parseOperator(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	if h.NextArg() {
		return nil, h.Errf("%s takes no argument; '%s' is too much", operatorDirective, h.Val())
	}
	if h.NextBlock(0) {
		return nil, h.Errf("%s takes no block", operatorDirective)
	}
	return new(Operator), nil
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Operator)(nil)
	_ caddyhttp.MiddlewareHandler = (*Operator)(nil)
)
