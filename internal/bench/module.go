//go:build linux

package main

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // The yardstick is Caddy as it is shipped.
)

func init() {
	caddy.RegisterModule(benchRead{})
	httpcaddyfile.RegisterHandlerDirective("bench_read", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		return benchRead{}, nil
	})
	// Where inbox_webhook stands, so that both are reached alike.
	httpcaddyfile.RegisterDirectiveOrder("bench_read", httpcaddyfile.Before, "handle")
}

// benchRead is the least that a receiver of webhooks in Caddy can do: it reads
// the whole body and answers 200.
type benchRead struct{}

// CaddyModule returns the Caddy module information.
func (benchRead) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.bench_read", New: func() caddy.Module { return new(benchRead) }}
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (benchRead) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if _, err := io.ReadAll(r.Body); err != nil {
		return caddyhttp.Error(http.StatusBadRequest, err)
	}
	_, err := io.WriteString(w, "OK")
	return err
}
