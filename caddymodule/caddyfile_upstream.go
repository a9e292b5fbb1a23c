package caddymodule

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/inboxgate/inboxgate/internal/address"
)

// idleBelowNode is shorter than the 5 s for which a Node server keeps an idle
// connection, so that an attempt seldom meets one that is being closed.
const idleBelowNode = "4s"

// handshakeWithin ends a TLS handshake whose attempt is over.
const handshakeWithin = "10s"

// proxy returns the handlers of `reverse_proxy <upstreams...>`, with a rewrite where the address is
// a full URL.
func (p *webhookParser) proxy(start caddyfile.Token, addresses []caddyfile.Token, r Route) ([]json.RawMessage, error) {
	var dials []string
	var first address.Upstream
	for i, t := range addresses {
		u, err := address.ParseUpstream(t.Text)
		if err != nil && slices.Contains(routeWords, t.Text) {
			return nil, errAt(t, "%s", inItsBlock(t.Text))
		}
		if err != nil {
			return nil, errAt(t, "%w", err)
		}
		if i == 0 {
			first = u
		}
		if u.Scheme() != first.Scheme() {
			return nil, errAt(t, "upstreams of one route are replicas of one app and must have the same scheme: give '%s' an `on` of its own", t.Text)
		}
		if u.URI != first.URI {
			return nil, errAt(t, "upstreams of one route are replicas of one app and must have the same path: give '%s' an `on` of its own", t.Text)
		}
		if slices.Contains(dials, u.Dial) {
			return nil, errAt(t, "'%s' stands twice among the upstreams of one route: remove one", t.Text)
		}
		if u.Bare {
			p.odd = append(p.odd, bareSlash(u.Dial)+atPlace(placeOf(t)))
		}
		dials = append(dials, u.Dial)
	}
	b := tokenBlock{at: start}
	b.line("handle", "{")
	if first.URI != "" {
		b.line("rewrite", "*", first.URI)
	}
	b.line(slices.Concat([]string{"reverse_proxy"}, dials, []string{"{"})...)
	if len(dials) > 1 {
		b.line("lb_policy", inTurnName)
	}
	secure := first.Scheme() == "https"
	if secure {
		b.line("header_up", "Host", "{http.request.hostport}") // As with http; Caddy would put the upstream's own.
	}
	b.line("transport", "http", "{")
	if secure {
		b.line("tls_timeout", handshakeWithin)
	}
	b.line("compression", "off")
	b.line("keepalive", idleBelowNode)
	b.line("keepalive_idle_conns_per_host", strconv.Itoa(max(32, r.MaxInFlight)))
	b.line("}")
	b.line("}")
	b.line("}")
	sub, err := httpcaddyfile.ParseSegmentAsSubroute(p.WithDispenser(caddyfile.NewDispenser(b.tokens)))
	if err != nil {
		return nil, errAt(start, "upstream: %w", err)
	}
	// The order of directives puts rewrite first, as it does in a site.
	return handlersOf(sub.(*caddyhttp.Subroute)), nil
}

// bareSlash warns of an address that ends in a single slash.
func bareSlash(dial string) string {
	return fmt.Sprintf("the upstream '%s/' ends in a slash, so its app gets every event at / and not at the platform's path: "+
		"write %s to keep path and query, or %s/? if / is what you mean", dial, dial, dial)
}

// tokenBlock writes Caddyfile tokens, each line below the one before.
type tokenBlock struct {
	at     caddyfile.Token
	lines  int
	tokens []caddyfile.Token
}

func (b *tokenBlock) line(words ...string) {
	for _, w := range words {
		b.tokens = append(b.tokens, caddyfile.Token{File: b.at.File, Line: b.at.Line + b.lines, Text: w})
	}
	b.lines++
}
