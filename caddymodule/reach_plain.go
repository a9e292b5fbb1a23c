package caddymodule

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

// unencrypted says of each public name under which a webhook is served without
// TLS that its events would cross the network for everybody to read. Behind a
// proxy that is trusted, TLS is the proxy's affair.
func (g *guard) unencrypted() (all []string) {
	if len(g.server.TLSConnPolicies) > 0 || g.trustsProxies() {
		return nil
	}
	for _, w := range waysIn(g.routes, wayIn{}, "") {
		for _, host := range w.hosts {
			what := fmt.Sprintf("%s is served%s without TLS, and the platform asks for HTTPS: leave out http:// (Caddy gets a certificate), or set trusted_proxies if a proxy before it ends TLS", host, w.hook.src.place())
			if publicName(host) && !slices.Contains(all, what) {
				all = append(all, what)
			}
		}
	}
	return all
}

// trustsProxies: Caddy keeps the field to itself, and has emptied the raw one.
func (g *guard) trustsProxies() bool {
	f := reflect.ValueOf(g.server).Elem().FieldByName("trustedProxies")
	return f.IsValid() && f.Kind() == reflect.Interface && !f.IsNil()
}

// privateNames end names that no public authority knows.
var privateNames = []string{"localhost", "local", "internal", "lan", "home", "corp", "intranet", "test", "invalid", "home.arpa", "svc", "cluster.local"}

func publicName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") || strings.Contains(host, "{") {
		return false
	}
	return !slices.ContainsFunc(privateNames, func(end string) bool { return strings.HasSuffix(host, "."+end) })
}
