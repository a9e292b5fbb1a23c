package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/address"
	"github.com/inboxgate/inboxgate/internal/handlers"
)

// selfServed returns a warning for each route whose events go to a listener of this
// very configuration, in a form that comes to a webhook again: it answers 508 to its
// own deliveries, and they wait. Of names it knows this machine's own, and those that
// resolve knows.
func (s *guards) selfServed(resolve address.Resolver) (all []string) {
	said := make(map[string]bool)
	for _, g := range s.all {
		for _, w := range waysIn(g.routes, wayIn{}, "") {
			for i := range w.hook.Routes {
				chain := w.hook.src.Routes[i].HandleRaw
				for _, dial := range handlers.Dials(chain...) {
					dial = caddy.NewReplacer().ReplaceKnown(dial, "")
					if !s.listensAt(dial, resolve) || g.elsewhere(w, chain) {
						continue
					}
					what := fmt.Sprintf("upstream '%s' of route '%s' is where this very server listens%s: its events come back here, get 508 and wait as if the app could not be reached; give the app's own address", dial, w.hook.Routes[i].Name, w.hook.src.place())
					if !said[what] {
						said[what] = true
						all = append(all, what)
					}
				}
			}
		}
	}
	return all
}

// elsewhere reports whether the route rewrites the path to one of the server's that no
// webhook has, so that its events go to another handler of the same server.
func (g *guard) elsewhere(w wayIn, chain []json.RawMessage) bool {
	for _, raw := range chain {
		path, ok := handlers.RewritesTo(raw)
		if !ok {
			continue
		}
		return g.probe(example(orElse(w.hosts, "hooks.invalid")[0], "hooks"), path).hook == nil
	}
	return false
}

// lookUp asks the machine's resolver.
func lookUp(host string) []netip.Addr {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	all, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host) // A name that is not known yet is no listener of ours.
	return all
}

// warnOfNames logs what selfServed finds by asking the network, which is not there
// to be waited for while a configuration is loaded.
func (a *App) warnOfNames(resolve address.Resolver) {
	for _, g := range a.guards.all {
		if g.server.MaxWriteChunk == 0 {
			return // The load has failed before: nobody waits for this.
		}
	}
	known, asked := a.guards.selfServed(nil), make(map[string][]netip.Addr)
	once := func(host string) []netip.Addr {
		if _, ok := asked[host]; !ok {
			asked[host] = resolve(host)
		}
		return asked[host]
	}
	for _, what := range a.guards.selfServed(once) {
		if !slices.Contains(known, what) {
			a.log.Warn(what) //nolint:sloglint // The sentence itself names the place and the fix.
		}
	}
}

// listensAt reports whether a server with a webhook has a listener that is reached
// by dialling that address.
func (s *guards) listensAt(dial string, resolve address.Resolver) bool {
	if u, err := url.Parse(dial); err == nil && u.Host != "" {
		dial = u.Host
	}
	to, err := caddy.ParseNetworkAddress(dial)
	if err != nil {
		return false
	}
	for _, g := range s.all {
		for _, listen := range g.server.Listen {
			at, err := caddy.ParseNetworkAddress(listen)
			if err != nil {
				continue
			}
			if at.IsUnixNetwork() || to.IsUnixNetwork() {
				path, _, _ := strings.Cut(at.Host, "|")
				if at.IsUnixNetwork() && to.IsUnixNetwork() && path == to.Host {
					return true
				}
				continue
			}
			if to.StartPort >= at.StartPort && to.StartPort <= at.EndPort && address.MeetsName(at.Host, to.Host, resolve) {
				return true
			}
		}
	}
	return false
}
