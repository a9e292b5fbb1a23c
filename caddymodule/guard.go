package caddymodule

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/connections"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/firm"
	"github.com/inboxgate/inboxgate/internal/loghandler"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/verify"
)

// guard stands before the routes of a server that has a webhook, because what
// misses the webhook never comes to it. To a request that carries our signature
// header and that no route takes, Caddy's answer would be an empty 200, which the
// platform takes for success: here it is 404, and logged. What a webhook refuses is
// no success either, whatever stands around it. Any other request passes untouched.
type guard struct {
	app    *App
	server *caddyhttp.Server
	// routes are the server's, as they were configured.
	routes caddyhttp.RouteList
	once   sync.Once
	chain  caddyhttp.Handler // Of routes; made by once.

	missed loghandler.Seldom // Requests that miss the webhook.
}

// guards holds the guard of each server of one configuration.
type guards struct {
	mu  sync.Mutex
	all []*guard // Guarded by mu.
	// bounded are the servers whose connections are counted; guarded by mu.
	bounded []*caddyhttp.Server
	// dashboards are those of all servers; guarded by mu.
	dashboards []*Dashboard
	// probes are the listeners, as host:port, that answer probes without TLS; guarded by mu.
	probes []string
}

// bound has the connections of the server that is being provisioned counted, once.
func (s *guards) bound(ctx caddy.Context, log *slog.Logger) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.bounded, server) {
		s.bounded = append(s.bounded, server)
		ended := &loghandler.Seldom{Every: missedEvery}
		server.RegisterConnState(func(conn net.Conn, state http.ConnState) {
			c := connections.Process().Changed(conn, state)
			if c == nil {
				return
			}
			go c.Close() // TLS may have something to say first.
			if n, ok := ended.Add(time.Now()); ok {
				log.Warn("more connections wait for a request than the memory limit allows: those that have waited longest are closed", "limit", connections.Process().Max(), "connections", n)
			}
		})
	}
}

// shown records a dashboard.
func (s *guards) shown(d *Dashboard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dashboards = append(s.dashboards, d)
}

// probed records the listeners of the server that is being provisioned, which
// answers probes, unless it asks for TLS.
func (s *guards) probed(ctx caddy.Context) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || len(server.TLSConnPolicies) > 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, listen := range server.Listen {
		if addr, err := caddy.ParseNetworkAddress(listen); err == nil && !addr.IsUnixNetwork() && !addr.IsFdNetwork() {
			s.probes = append(s.probes, net.JoinHostPort(addr.Host, strconv.FormatUint(uint64(addr.StartPort), 10)))
		}
	}
}

// probesAt returns where probes are answered, the usual port before others, or "".
func (s *guards) probesAt() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.probes) == 0 {
		return ""
	}
	slices.Sort(s.probes) // Servers come in any order.
	_, usual, _ := strings.Cut(env.DefaultOpsListen, ":")
	i := slices.IndexFunc(s.probes, func(at string) bool { return strings.HasSuffix(at, ":"+usual) })
	return s.probes[max(i, 0)]
}

// stand puts a guard before the routes of the server that is being provisioned,
// once. Caddy compiles them after all of its handlers are provisioned.
func (s *guards) stand(ctx caddy.Context, a *App) error {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.all {
		if g.server == server {
			return nil
		}
	}
	g := &guard{app: a, server: server, routes: server.Routes, missed: loghandler.Seldom{Every: missedEvery}}
	route := caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{g}}
	if err := route.ProvisionHandlers(ctx, nil); err != nil {
		return fmt.Errorf("guarding the server's routes: %w", err)
	}
	server.Routes = caddyhttp.RouteList{route}
	if server.Errors != nil && len(server.Errors.Routes) > 0 { // Provisioned after this.
		before := caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{firmRoutes{}}}
		server.Errors.Routes = append(caddyhttp.RouteList{before}, server.Errors.Routes...)
	}
	s.all = append(s.all, g)
	return nil
}

// reachedVar is the variable of a request that a webhook has seen.
const reachedVar = appID + ".reached"

// ServeHTTP runs the server's routes, and looks at what comes of a request that
// was meant for a webhook.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	g.once.Do(func() { g.chain = g.routes.Compile(next) })
	if r.Method != http.MethodPost || r.Header[verify.Header] == nil {
		return g.chain.ServeHTTP(w, r)
	}
	path := r.URL.Path
	g.takeSlash(r)
	err := firmly(w, r, g.chain)
	if caddyhttp.GetVar(r.Context(), reachedVar) != nil {
		return err
	}
	nobody := err == nil && caddyhttp.GetVar(r.Context(), "unhandled") == true
	g.record(r, path, nobody)
	if nobody {
		return refuses(r, http.StatusNotFound, errors.New("no webhook has this host and path"))
	}
	return err
}

// takeSlash takes one slash off the end of the path where that leads to a
// webhook and the path as it is does not. What is stored, and what an app gets,
// is the URI as it came.
func (g *guard) takeSlash(r *http.Request) {
	bare, ok := strings.CutSuffix(r.URL.Path, "/")
	if !ok || bare == "" || strings.HasSuffix(bare, "/") || r.URL.RawPath != "" {
		return
	}
	if g.follow(r, r.URL.Path).hook != nil || g.follow(r, bare).hook == nil {
		return
	}
	r.URL.Path = bare
	r.RequestURI = r.URL.RequestURI()
}

// missedEvery is how often, at most, requests that miss the webhook are logged. They
// may come from any stranger.
const missedEvery = time.Minute

func (g *guard) record(r *http.Request, path string, nobody bool) {
	metrics.Process().Missed.Inc()
	n, now := g.missed.Add(time.Now())
	if !now {
		return
	}
	answer := "another handler of the site"
	if nobody {
		answer = "404, because no handler takes it"
	}
	g.app.log.Warn("requests with a signature miss the webhook: compare the URL that the platform has with the site's host and path",
		"host", term.Cut(r.Host, maxStranger), "path", term.Cut(path, maxStranger), "answer", answer, "requests", n)
}

// maxStranger bounds what a stranger can have written into a line of the log, in
// characters.
const maxStranger = 256

// refusedVar is the variable of a request that was refused: the status that it
// is refused with.
const refusedVar = appID + ".refused"

// refuses returns Caddy's error for a request that is not stored. Whatever the site
// makes of it, the status stays no success.
func refuses(r *http.Request, status int, err error) error {
	caddyhttp.SetVar(r.Context(), refusedVar, status)
	return caddyhttp.Error(status, err)
}

// firmRoutes stands before the error routes of a server that has a webhook. A site may
// answer all of its errors with a page and 200; the platform would believe that,
// and never send the event again. The page stays, with our status.
type firmRoutes struct{}

// ServeHTTP holds the status of a request that was refused.
func (firmRoutes) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return firmly(w, r, next)
}

// firmly runs handlers so that a request which they refuse is not answered with a
// 2xx. It also answers where they keep the error to themselves and write nothing,
// which net/http would make a 200 of.
func firmly(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return firm.Run(w, func() int {
		status, _ := caddyhttp.GetVar(r.Context(), refusedVar).(int)
		return status
	}, func(w http.ResponseWriter) error { return next.ServeHTTP(w, r) })
}

// Interface guards.
var (
	_ caddyhttp.MiddlewareHandler = (*guard)(nil)
	_ caddyhttp.MiddlewareHandler = firmRoutes{}
)
