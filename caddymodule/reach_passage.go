package caddymodule

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/fileserver"
	maphandler "github.com/caddyserver/caddy/v2/modules/caddyhttp/map"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
)

// passage follows a request through routes as Caddy would, to find where it ends. It
// runs no handler that answers or sends anything.
type passage struct {
	server *caddyhttp.Server
	r      *http.Request
	repl   *caddy.Replacer
	groups map[string]bool // Groups of routes of which one has matched.
	// real is set if the request is one that came, so every matcher can judge it. Of a
	// made one only host, path and method are known; where more is asked, it goes
	// the way of a webhook.
	real bool
	// unsure is set once it has passed a handler that may have answered, or one of
	// another maker.
	unsure bool
}

// end is where a request ends.
type end struct {
	hook *Webhook // The webhook that takes it, or nil.
	by   string   // Else the handler that answers; empty where none does.
	// status is that handler's, 0 where it is not known.
	status int
	unsure bool
}

// follow returns where a request that came would end if its path were this one.
func (g *guard) follow(r *http.Request, path string) end {
	u := *r.URL
	u.Path, u.RawPath = path, ""
	return g.pass(r, &u, true)
}

// probe returns where a request of the platform to host and path would end.
func (g *guard) probe(host, path string) end {
	u := &url.URL{Path: path}
	r := &http.Request{
		Method: http.MethodPost, URL: u, Host: host, Header: make(http.Header), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		RemoteAddr: "192.0.2.1:1", RequestURI: path, Body: http.NoBody,
	}
	return g.pass(r, u, false)
}

func (g *guard) pass(r *http.Request, u *url.URL, real bool) end {
	repl := caddy.NewReplacer()
	made := r.WithContext(context.WithoutCancel(r.Context()))
	made.URL, made.Body, made.RequestURI = u, http.NoBody, u.RequestURI()
	p := &passage{server: g.server, repl: repl, groups: make(map[string]bool), real: real}
	p.r = caddyhttp.PrepareRequest(made, repl, nil, g.server)
	e, _ := p.routes(g.routes)
	e.unsure = p.unsure
	return e
}

// routes goes along a list. It has ended when something answers, or when nothing
// behind the list can any more.
func (p *passage) routes(list caddyhttp.RouteList) (e end, ended bool) {
	for i := range list {
		route := &list[i]
		if route.Group != "" && p.groups[route.Group] {
			continue
		}
		matches, err := p.matches(route)
		if err != nil {
			return end{by: "a matcher", status: http.StatusInternalServerError}, true
		}
		if !matches {
			continue
		}
		if route.Group != "" {
			p.groups[route.Group] = true
		}
		for _, h := range route.Handlers {
			if e, ended := p.handler(h); ended {
				return e, true
			}
		}
		if route.Terminal {
			return end{}, true
		}
	}
	return end{}, false
}

func (p *passage) matches(route *caddyhttp.Route) (bool, error) {
	if p.real || len(route.MatcherSets) == 0 {
		return route.MatcherSets.AnyMatchWithError(p.r)
	}
	for _, set := range route.MatcherSets {
		var known caddyhttp.MatcherSet
		for _, m := range set {
			if decisive(m) {
				known = append(known, m)
			}
		}
		if ok, err := known.MatchWithError(p.r); err != nil || !ok {
			if err != nil {
				return false, err
			}
			continue
		}
		if len(known) == len(set) || holdsWebhook(*route) {
			return true, nil
		}
		p.unsure = true
	}
	return false, nil
}

// decisive reports whether the matcher looks at nothing but host, path and method.
func decisive(m any) bool {
	switch m := m.(type) {
	case caddyhttp.MatchHost, *caddyhttp.MatchHost, caddyhttp.MatchPath, *caddyhttp.MatchPath,
		caddyhttp.MatchMethod, *caddyhttp.MatchMethod, caddyhttp.MatchPathRE, *caddyhttp.MatchPathRE:
		return true
	case *caddyhttp.MatchNot:
		for _, set := range m.MatcherSets {
			for _, m := range set {
				if !decisive(m) {
					return false
				}
			}
		}
		return true
	}
	return false
}

// holdsWebhook reports whether some way through the route may lead to a webhook.
func holdsWebhook(route caddyhttp.Route) bool {
	for _, h := range route.Handlers {
		switch h := h.(type) {
		case *Webhook:
			return true
		case *caddyhttp.Invoke:
			return true
		case *caddyhttp.Subroute:
			for _, r := range h.Routes {
				if holdsWebhook(r) {
					return true
				}
			}
		}
	}
	return false
}

// handler lets the request pass a handler, or ends it.
func (p *passage) handler(h caddyhttp.MiddlewareHandler) (e end, ended bool) {
	through := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	switch h := h.(type) {
	case *Webhook:
		return end{hook: h}, true
	case *caddyhttp.Subroute:
		return p.routes(h.Routes)
	case *caddyhttp.Invoke:
		if route, ok := p.server.NamedRoutes[h.Name]; ok {
			return p.routes(caddyhttp.RouteList{*route})
		}
		return end{by: "invoke", status: http.StatusInternalServerError}, true
	case *rewrite.Rewrite:
		h.Rewrite(p.r, p.repl)
	case *caddyhttp.VarsMiddleware, *maphandler.Handler:
		_ = h.ServeHTTP(nil, p.r, through)
	case *caddyhttp.StaticResponse:
		return end{by: "respond", status: p.status(h.StatusCode, http.StatusOK)}, true
	case *caddyhttp.StaticError:
		return end{by: "error", status: p.status(h.StatusCode, http.StatusInternalServerError)}, true
	case *Dashboard:
		if h.settings().Takes(p.r.URL.Path) {
			return end{by: dashboardDirective, status: http.StatusForbidden}, true
		}
	case *reverseproxy.Handler:
		return end{by: "reverse_proxy"}, true
	case *fileserver.FileServer:
		if !h.PassThru {
			return end{by: "file_server", status: http.StatusMethodNotAllowed}, true
		}
	default:
		id := ""
		if m, ok := h.(caddy.Module); ok {
			id = m.CaddyModule().ID.Name()
		}
		if id == "metrics" || id == "acme_server" {
			return end{by: id}, true
		}
		p.unsure = p.unsure || !passing[id]
	}
	return end{}, false
}

// passing are handlers that do their work on the way and answer no POST
// themselves, unless with a refusal.
var passing = map[string]bool{
	"headers": true, "encode": true, "templates": true, "request_body": true, "authentication": true, "tracing": true,
	"log_append": true, "intercept": true, "push": true, "timeouts": true, "copy_response_headers": true, healthDirective: true,
}

func (p *passage) status(code caddyhttp.WeakString, byDefault int) int {
	if code == "" {
		return byDefault
	}
	n, err := strconv.Atoi(p.repl.ReplaceAll(string(code), ""))
	if err != nil {
		return 0
	}
	return n
}
