package main

import (
	"context"
	"net/url"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"

	"github.com/inboxgate/inboxgate/internal/env"
)

func init() { caddy.RegisterModule(new(startLine)) }

// startLine logs in one line, each time the built-in Caddyfile has been loaded,
// what the process does where.
type startLine struct {
	log *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (*startLine) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.inboxgate_started", New: func() caddy.Module { return new(startLine) }}
}

// Provision takes the logger.
func (l *startLine) Provision(ctx caddy.Context) error {
	l.log = ctx.Logger()
	return nil
}

// UnmarshalCaddyfile takes no words.
func (*startLine) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

// Handle logs the line.
func (l *startLine) Handle(context.Context, caddy.Event) error {
	// With another environment, nothing of this has been loaded.
	if s, _, err := readEnvironment(os.Environ(), env.ReadSecrets); err == nil {
		l.log.Info("inboxgate takes webhooks", s.where()...)
	}
	return nil
}

// where says of each part where it is.
func (s settings) where() []zap.Field {
	at := s.Site
	if s.Bind != "" {
		at = strings.Replace(at, "://:", "://"+bracketed(s.Bind)+":", 1)
	}
	if s.TLS() && !strings.Contains(at, "://") {
		at = "https://" + at
	}
	var routes []string
	for _, r := range s.Routes {
		var to []string
		for _, u := range r.Upstreams {
			to = append(to, shown(u))
		}
		routes = append(routes, r.Name()+" to "+strings.Join(to, " or "))
	}
	operator := s.Admin
	switch {
	case s.Operator != "":
		operator = strings.Replace(s.Operator, "://:", "://"+bracketed(s.OperatorBind)+":", 1) + " with the token"
	case operator == "":
		operator = s.defaultAdmin()
	}
	ops := off
	if s.Ops != "" {
		ops = strings.Replace(s.Ops, "://:", "://"+bracketed(s.OpsBind)+":", 1)
	}
	pages := off
	if s.Dashboard.Unix() {
		pages, _, _ = strings.Cut(s.Dashboard.Bind, "|")
	} else if s.Dashboard.Site != "" {
		pages = strings.Replace(s.Dashboard.Site, "://:", "://"+bracketed(s.Dashboard.Bind)+":", 1)
	}
	return []zap.Field{
		zap.String("at", at+s.Path), zap.Strings("deliver", routes), zap.String("store", s.dataDir()),
		zap.String("operator", strings.TrimSuffix(operator, "|0600")), zap.String("probes_and_metrics", ops), zap.String("dashboard", pages),
	}
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// shown is an upstream without what may be a secret in it.
func shown(upstream string) string {
	u, err := url.Parse(upstream)
	if err != nil || u.Host == "" {
		return upstream
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// Interface guards.
var (
	_ caddy.Provisioner     = (*startLine)(nil)
	_ caddyevents.Handler   = (*startLine)(nil)
	_ caddyfile.Unmarshaler = (*startLine)(nil)
)
