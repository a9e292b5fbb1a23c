package caddymodule

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/inboxgate/inboxgate/internal/address"
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
			if address.Public(host) && !slices.Contains(all, what) {
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
