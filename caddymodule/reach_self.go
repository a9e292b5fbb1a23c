package caddymodule

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// selfServed says of each route of the guarded server's webhooks whether its
// events go to a listener of this very configuration, in a form that comes to a
// webhook again: it would answer "duplicate", which counts as delivered.
func (s *guards) selfServed() (all []string) {
	said := make(map[string]bool)
	for _, g := range s.all {
		for _, w := range waysIn(g.routes, wayIn{}, "") {
			for i := range w.hook.Routes {
				handlers := w.hook.src.Routes[i].HandleRaw
				for _, dial := range dialsOf(handlers) {
					if !s.listensAt(dial) || g.elsewhere(w, handlers) {
						continue
					}
					what := fmt.Sprintf("upstream '%s' of route '%s' is where this very server listens%s: its events would come back here and count as delivered, and no app would see them; give the app's own address", dial, w.hook.Routes[i].Name, w.hook.src.place())
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

// elsewhere: the route rewrites the path to one of the server's that no webhook
// has, so that its events go to another handler of the same server.
func (g *guard) elsewhere(w wayIn, handlers []json.RawMessage) bool {
	for _, raw := range handlers {
		var h struct{ Handler, URI string }
		if json.Unmarshal(raw, &h) != nil || h.Handler != "rewrite" || h.URI == "" {
			continue
		}
		path, _, _ := strings.Cut(h.URI, "?")
		return g.probe(example(orElse(w.hosts, "hooks.invalid")[0], "hooks"), path).hook == nil
	}
	return false
}

// dialsOf are the addresses in the handlers of a route, with what placeholders
// name filled in.
func dialsOf(handlers []json.RawMessage) (dials []string) {
	for _, raw := range handlers {
		var v any
		if json.Unmarshal(raw, &v) != nil {
			continue
		}
		_ = eachDial(v, func(dial string) error {
			dials = append(dials, caddy.NewReplacer().ReplaceKnown(dial, ""))
			return nil
		})
	}
	return dials
}

// listensAt: a server with a webhook has a listener that is reached by dialling
// that address. A name counts only if it is one of this machine without asking
// anybody: the network is not there to be asked while a configuration is loaded.
func (s *guards) listensAt(dial string) bool {
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
			if to.StartPort >= at.StartPort && to.StartPort <= at.EndPort && meets(at.Host, to.Host) {
				return true
			}
		}
	}
	return false
}

// meets: whoever dials that host comes to a listener on the other.
func meets(listen, dial string) bool {
	to := hostAddress(dial)
	if !to.IsValid() {
		return strings.EqualFold(listen, dial) && dial != ""
	}
	if at := hostAddress(listen); listen != "" && at.IsValid() && !at.IsUnspecified() {
		return at == to || at.IsLoopback() && to.IsUnspecified() || strings.EqualFold(dial, "localhost") && at.IsLoopback()
	}
	if to.IsLoopback() || to.IsUnspecified() {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap() == to {
				return true
			}
		}
	}
	return false
}

// hostAddress is the address of a host that needs no look-up.
func hostAddress(host string) netip.Addr {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}
