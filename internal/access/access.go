// Package access decides whose requests the operator's pages answer: those of a user
// that the site has authenticated, of somebody on this machine, or of whoever brings
// the link that a command has printed.
//
// Guarantee: nobody is let in by what a client may write itself. A request that came
// through a proxy is not taken for one of this machine, whatever its address is, and a
// page of another origin cannot borrow the browser of somebody on this machine. A refusal
// is a sentence that names the fix.
//
// Limits: a proxy on this machine that adds no header of its own and keeps its connections
// cannot be told from a browser on this machine, if it sends its own Host, as nginx does by
// default since 1.30, or passes on that of a client who asks for `localhost`, as HAProxy
// does by default. A site behind such a proxy needs users.
package access

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Local is the name of a caller on this machine, who has no other, and Anyone that of a
// caller whom nothing is known of.
const (
	Local  = "this machine"
	Anyone = "unknown"
)

// Refusal is why a request is not answered.
type Refusal struct {
	// Status is the HTTP status.
	Status int
	// Why is one sentence, and Fix another that says what to do.
	Why, Fix string
}

// Rule is whom a site lets in.
type Rule struct {
	// Anyone lets in whom nothing is known of.
	Anyone bool
	// Fix says in one sentence what makes callers known.
	Fix string
}

// Judge returns the name of the caller. user is the name that the site's authentication
// has found, or "". clientIP is the client's address where the server knows a better one
// than the peer's, or "".
func (p Rule) Judge(r *http.Request, user, clientIP string) (name string, no *Refusal) {
	if name = Name(user); name != "" {
		return name, nil
	}
	near, why := Near(r, clientIP)
	switch {
	case near && LoopbackName(r.Host):
		return Local, nil
	case near && !p.Anyone:
		return "", &Refusal{
			http.StatusForbidden, "The name in the address is none of this machine's own.",
			"Without a user these pages answer this machine alone, under localhost, 127.0.0.1 or [::1]. " + p.Fix,
		}
	case p.Anyone:
		return Anyone, nil
	}
	return "", &Refusal{http.StatusServiceUnavailable, "Nobody knows who you are: " + why + ".", p.Fix}
}

// maxName is how many bytes a name has at most.
const maxName = 128

// Name returns a user's name without what no log and no page should show of it. It is
// empty where nothing is left.
func Name(user string) string {
	var b strings.Builder
	for _, c := range user {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			continue
		}
		if b.Len()+utf8.RuneLen(c) > maxName {
			break
		}
		b.WriteRune(c)
	}
	return strings.TrimSpace(b.String())
}

// forwarded are headers of proxies besides those that begin with X-Forwarded. A browser
// sends none of them.
var forwarded = []string{
	"Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Forwarded-For", "X-Original-Host",
	"True-Client-Ip", "Cf-Connecting-Ip", "Fastly-Client-Ip", "X-Envoy-External-Address", "X-Proxyuser-Ip",
	"Client-Ip", "Forwarded-For", "Cf-Ray", "Cdn-Loop", "X-Amz-Cf-Id", "X-Amzn-Trace-Id", "X-Azure-Clientip", "Fly-Client-Ip",
	"Do-Connecting-Ip", "X-Envoy-Attempt-Count", "X-Nginx-Proxy", "Proxy-Connection", "Tailscale-User-Login", "X-Scheme",
}

// Near reports whether a request came from this machine and through no proxy, and where
// not, why. A proxy on this machine has its address too, so what speaks for one counts:
// its headers, and HTTP/1.0 or an end of the connection after one request, which nginx
// has by default before its version 1.30 and no browser does. Where a page of this very
// site made the request, its address is another than a browser here would have.
func Near(r *http.Request, clientIP string) (near bool, why string) {
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Forwarded") {
			return false, "the request came through a proxy (it has " + name + ")"
		}
	}
	for _, name := range forwarded {
		if _, ok := r.Header[name]; ok {
			return false, "the request came through a proxy (it has " + name + ")"
		}
	}
	if !r.ProtoAtLeast(1, 1) {
		return false, "the request came through a proxy (it is HTTP/1.0)"
	}
	if r.Close || strings.EqualFold(r.Header.Get("Connection"), "close") {
		return false, "the request came through a proxy (it ends its connection)"
	}
	if page := samePage(r); page != "" && !LoopbackName(page) {
		return false, "the request came through a proxy (its page has another address)"
	}
	if clientIP != "" && clientIP != unixPeer && !loopback(clientIP) {
		return false, "the request came from another machine"
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	switch {
	case local == nil:
		return false, "the request came from another machine"
	case local.Network() == "unix":
		return true, ""
	case !loopbackPort(local.String()) || !loopbackPort(r.RemoteAddr):
		return false, "the request came from another machine"
	}
	return true, ""
}

// samePage returns host and port of the page that made a request, where the browser says
// that both have one origin, and "" otherwise.
func samePage(r *http.Request) string {
	if r.Header.Get("Sec-Fetch-Site") != "same-origin" {
		return ""
	}
	for _, name := range []string{"Origin", "Referer"} {
		if u, err := url.Parse(r.Header.Get(name)); err == nil && u.Host != "" {
			return u.Host
		}
	}
	return ""
}

// unixPeer is the address of whoever calls over a Unix socket.
const unixPeer = "@"

func loopbackPort(at string) bool {
	host, _, err := net.SplitHostPort(at)
	return err == nil && loopback(host)
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// LoopbackName reports whether the value of a Host header names this machine and can name
// no other. A page whose own name was made to lead here has another (DNS rebinding). The
// port is any: a tunnel has its own.
func LoopbackName(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.EqualFold(host, "localhost") || loopback(host)
}

// callerKey is the key of a caller's name in a context.
type callerKey struct{}

// With returns a context that carries the name of the caller.
func With(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, callerKey{}, name)
}

// User returns the name of the caller of a request, or "" where With has set none.
func User(r *http.Request) string {
	name, _ := r.Context().Value(callerKey{}).(string)
	return name
}
