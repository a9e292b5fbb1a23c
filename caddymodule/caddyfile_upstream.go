package caddymodule

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// upstream is one address of an `on` or a `to`.
type upstream struct {
	dial string // As reverse_proxy takes it.
	// uri replaces path and query where the address is a full URL.
	uri string
	// bare: the URL's path is a single slash, which few who write it mean.
	bare bool
}

func parseUpstream(s string) (upstream, error) {
	if err := notOfRequest(s); err != nil {
		return upstream{}, err
	}
	if strings.HasPrefix(s, "unix/") || strings.HasPrefix(s, "unix+h2c/") || strings.HasPrefix(s, "{") {
		return upstream{dial: s}, nil
	}
	if !strings.Contains(s, "://") {
		host, port, err := net.SplitHostPort(s)
		switch {
		case err != nil || port == "":
			return upstream{}, fmt.Errorf("upstream '%s' needs a port, for example %s:3000", s, strings.TrimSuffix(strings.SplitN(s, "/", 2)[0], ":"))
		case host == "":
			return upstream{}, fmt.Errorf("upstream '%s' has no host: write it as 127.0.0.1%s", s, s)
		}
		return upstream{dial: s}, checkPort(s, port)
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || strings.ContainsAny(s, "{}") {
		return upstream{}, fmt.Errorf("upstream '%s' is no URL: write it as http://app:3000/path", s)
	}
	if u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "h2c" {
		return upstream{}, fmt.Errorf("upstream '%s' has the scheme %s: use http, https or h2c", s, u.Scheme)
	}
	if u.User != nil || u.Fragment != "" {
		return upstream{}, fmt.Errorf("upstream '%s' holds a user or a fragment: leave them out (a header goes into a handle block)", u.Redacted())
	}
	if p := u.Port(); p != "" {
		if err := checkPort(s, p); err != nil {
			return upstream{}, err
		}
	}
	up := upstream{dial: u.Scheme + "://" + u.Host}
	if u.Path != "" || u.RawQuery != "" {
		path := u.EscapedPath()
		if path == "" {
			path = "/"
		}
		up.uri = path + "?" + u.RawQuery
		up.bare = path == "/" && u.RawQuery == "" && !u.ForceQuery
	}
	return up, nil
}

func scheme(dial string) string {
	s, _, ok := strings.Cut(dial, "://")
	if !ok {
		return ""
	}
	return s
}

func checkPort(address, port string) error {
	if strings.Contains(port, "{") {
		return nil
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("upstream '%s' has the port %s: use a number from 1 to 65535", address, port)
	}
	return nil
}

// idleBelowNode is shorter than the 5 s for which a Node server keeps an idle
// connection, so that an attempt seldom meets one that is being closed.
const idleBelowNode = "4s"

// handshakeWithin ends a TLS handshake that nobody waits for any more.
const handshakeWithin = "10s"

// proxy is `reverse_proxy <upstreams...>`, with a rewrite where the address is
// a full URL.
func (p *webhookParser) proxy(start caddyfile.Token, addresses []caddyfile.Token, r Route) ([]json.RawMessage, error) {
	var dials []string
	var uri string
	for i, t := range addresses {
		u, err := parseUpstream(t.Text)
		if err != nil {
			return nil, errAt(t, "%w", err)
		}
		if i > 0 && scheme(u.dial) != scheme(dials[0]) {
			return nil, errAt(t, "upstreams of one route are replicas of one app and must have the same scheme: give '%s' an `on` of its own", t.Text)
		}
		if i > 0 && u.uri != uri {
			return nil, errAt(t, "upstreams of one route are replicas of one app and must have the same path: give '%s' an `on` of its own", t.Text)
		}
		if slices.Contains(dials, u.dial) {
			return nil, errAt(t, "'%s' stands twice among the upstreams of one route: remove one", t.Text)
		}
		if u.bare {
			caddy.Log().Named("caddyfile").Warn(bareSlash(u.dial), zap.String("file", t.File), zap.Int("line", t.Line))
		}
		dials, uri = append(dials, u.dial), u.uri
	}
	b := tokenBlock{at: start}
	b.line("handle", "{")
	if uri != "" {
		b.line("rewrite", "*", uri)
	}
	b.line(slices.Concat([]string{"reverse_proxy"}, dials, []string{"{"})...)
	if len(dials) > 1 {
		b.line("lb_policy", inTurnName)
	}
	secure := scheme(dials[0]) == "https"
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
