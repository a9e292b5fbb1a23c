package caddymodule

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"

	"github.com/inboxgate/inboxgate/internal/address"
)

// wayIn is how a webhook is meant to be reached, as the matchers on the way to
// it say.
type wayIn struct {
	hook *Webhook
	// hosts and paths are those of the innermost matcher that names some. The
	// paths are as the webhook's side of the prefix sees them.
	hosts, paths []string
	// stripped is what handle_path, or the like, takes off before those paths.
	stripped string
	// blind is set if a matcher on the way names no path that could be tried.
	blind bool
	// rewritten is set if those paths are not what the platform calls.
	rewritten bool
}

// waysIn finds every webhook in a list of routes. What rewrites the path for all
// requests has its effect on the routes behind it.
func waysIn(list caddyhttp.RouteList, at wayIn, prefix string) (all []wayIn) {
	for i := range list {
		here := at
		here.narrow(list[i].MatcherSets, prefix)
		for _, h := range list[i].Handlers {
			switch h := h.(type) {
			case *Webhook:
				in := here
				in.hook = h
				all = append(all, in)
			case *rewrite.Rewrite:
				if len(list[i].MatcherSets) > 0 {
					continue
				}
				prefix += h.StripPathPrefix
				at.rewritten = at.rewritten || h.URI != "" || len(h.URISubstring) > 0 || len(h.PathRegexp) > 0 || h.StripPathSuffix != ""
			case *caddyhttp.Subroute:
				all = append(all, waysIn(h.Routes, here, prefix)...)
			}
		}
	}
	return all
}

func (w *wayIn) narrow(sets caddyhttp.MatcherSets, prefix string) {
	for _, set := range sets {
		for _, m := range set {
			switch m := m.(type) {
			case caddyhttp.MatchHost:
				w.hosts = m
			case *caddyhttp.MatchHost:
				w.hosts = *m
			case caddyhttp.MatchPath:
				w.paths, w.stripped, w.blind = m, prefix, false
			case *caddyhttp.MatchPath:
				w.paths, w.stripped, w.blind = *m, prefix, false
			case *caddyhttp.MatchPathRE, caddyhttp.MatchPathRE:
				w.paths, w.blind = nil, true
			}
		}
	}
}

// unreached returns, for each webhook that the platform's request would not come to,
// what takes the request instead, and what to do.
func (g *guard) unreached() (all []string) {
	for _, w := range waysIn(g.routes, wayIn{}, "") {
		if w.blind || w.rewritten {
			continue
		}
		said := make(map[string]bool)
		for _, host := range orElse(w.hosts, "hooks.invalid") {
			for _, path := range orElse(w.paths, "/webhooks/inbox") {
				if strings.ContainsAny(host+path, "{}") {
					continue
				}
				if what := g.miss(w, example(host, "hooks"), example(path, "inbox")); what != "" && !said[what] {
					said[what] = true
					all = append(all, what)
				}
			}
		}
	}
	return all
}

// miss returns what takes a request to that host and path instead of the webhook, or
// nothing where the webhook does.
func (g *guard) miss(w wayIn, host, path string) string {
	// /hooks/inbox inside handle_path /hooks/* is meant to be /hooks/inbox, and not /hooks/hooks/inbox.
	full := strings.HasPrefix(path, w.stripped+"/")
	whole := path
	if !full {
		whole = w.stripped + path
	}
	e := g.probe(host, whole)
	if e.hook == w.hook || e.unsure {
		return ""
	}
	at := whole
	if len(w.hosts) > 0 {
		at = host + whole
	}
	says := func(format string, args ...any) string {
		return fmt.Sprintf("POST %s does not come to this %s%s: ", at, directiveName, w.hook.src.place()) + fmt.Sprintf(format, args...)
	}
	switch {
	case e.hook != nil && e.hook.Name == w.hook.Name:
		return says("the same webhook stands before it; remove one of them")
	case e.hook != nil:
		return says("the webhook '%s'%s stands before it; give one of them another path", e.hook.Name, e.hook.src.place())
	case full && w.stripped != "":
		return says("%s is taken off before it; use `handle` instead of `handle_path`, or write the path without it: %s", w.stripped, strings.TrimPrefix(path, w.stripped))
	case e.by == "":
		return says("the path does not fit the matchers around it; give both the path that the platform calls")
	}
	answer := e.by
	if e.status != 0 {
		answer = fmt.Sprintf("%s (%d %s)", e.by, e.status, http.StatusText(e.status))
	}
	return says("%s answers before it; put %s first", answer, directiveName)
}

func orElse(list []string, byDefault string) []string {
	if len(list) == 0 {
		return []string{byDefault}
	}
	return list
}

// example returns a text that the pattern matches.
func example(pattern, star string) string { return strings.ReplaceAll(pattern, "*", star) }

// judge logs what is wrong with the ways to the webhooks of a configuration.
func (a *App) judge() {
	if a.guards == nil {
		return
	}
	warn := func(what string, more ...any) {
		a.log.Warn(what, more...) //nolint:sloglint // The sentence itself names the place and the fix.
	}
	a.guards.mu.Lock()
	defer a.guards.mu.Unlock()
	for _, g := range a.guards.all {
		if g.server.MaxWriteChunk == 0 {
			continue // The last thing that Caddy provisions: the load has failed before.
		}
		for _, what := range g.unreached() {
			warn(what, "server", g.server.Name())
		}
	}
	for _, g := range a.guards.all {
		for _, what := range g.unencrypted() {
			warn(what, "server", g.server.Name())
		}
	}
	for _, d := range a.guards.dashboards {
		if what := d.believed(); what != "" {
			warn(what)
		}
	}
	for _, what := range a.guards.selfServed(nil) {
		warn(what)
	}
}

// unencrypted returns a warning for each public name under which a webhook is served
// without TLS: its events would cross the network in clear text. Behind a proxy that is
// trusted, TLS is the proxy's affair.
func (g *guard) unencrypted() (all []string) {
	if len(g.server.TLSConnPolicies) > 0 || g.trustsProxies() {
		return nil
	}
	for _, w := range waysIn(g.routes, wayIn{}, "") {
		for _, host := range w.hosts {
			what := fmt.Sprintf("%s is served%s without TLS, and the platform asks for HTTPS: leave out http:// (Caddy gets a certificate), or set trusted_proxies if a proxy before it ends TLS", host, w.hook.src.place())
			if address.Public(host) && !slices.Contains(all, what) {
				all = append(all, what)
			}
		}
	}
	return all
}

// trustsProxies reports whether the server trusts proxies. Caddy keeps the field to
// itself, and has emptied the raw one.
func (g *guard) trustsProxies() bool {
	f := reflect.ValueOf(g.server).Elem().FieldByName("trustedProxies")
	return f.IsValid() && f.Kind() == reflect.Interface && !f.IsNil()
}
