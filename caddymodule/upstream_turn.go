package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/inboxgate/inboxgate/internal/upstream"
)

const inTurnName = "inbox_in_turn"

// InTurn chooses among the replicas of one app, in turn. In the route of an
// `inbox_webhook` an address that cannot be reached is passed over at once and left
// out for a while, 1 s at first and 15 s at most; then one event tries it again. The
// route counts as unreached only when every address is. Anywhere else it is a round
// robin.
//
// Routes with several addresses have it. For a `reverse_proxy` of your own, in a
// route's `handle`, say `lb_policy inbox_in_turn`.
type InTurn struct{ turn upstream.Turn }

// CaddyModule returns the Caddy module information.
func (*InTurn) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.selection_policies." + inTurnName,
		New: func() caddy.Module { return new(InTurn) },
	}
}

// UnmarshalCaddyfile sets up the policy from Caddyfile tokens: `inbox_in_turn`.
func (*InTurn) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		if d.NextArg() {
			return d.ArgErr()
		}
	}
	return nil
}

// Select returns an available upstream, or nil if there is none.
func (p *InTurn) Select(pool reverseproxy.UpstreamPool, r *http.Request, _ http.ResponseWriter) *reverseproxy.Upstream {
	var able reverseproxy.UpstreamPool
	for _, u := range pool {
		if u.Available() {
			able = append(able, u)
		}
	}
	if len(able) == 0 {
		return nil
	}
	addresses := make([]string, len(able))
	for i, u := range able {
		addresses[i] = u.Dial
	}
	return able[p.turn.Choose(addresses, upstream.Of(r.Context()))]
}

// Interface guards.
var (
	_ reverseproxy.Selector = (*InTurn)(nil)
	_ caddyfile.Unmarshaler = (*InTurn)(nil)
)
