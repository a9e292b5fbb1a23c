package caddymodule

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// listenToAnswers makes the proxies of a route read an answer that comes before
// the request was read. It returns their transports.
func listenToAnswers(routes caddyhttp.RouteList) (all []*http.Transport) {
	for i := range routes {
		for _, h := range routes[i].Handlers {
			switch h := h.(type) {
			case *caddyhttp.Subroute:
				all = append(all, listenToAnswers(h.Routes)...)
			case *reverseproxy.Handler:
				if t, ok := h.Transport.(*reverseproxy.HTTPTransport); ok && t.Transport != nil {
					t.Transport.DialContext = dialEarly(t.Transport.DialContext)
					all = append(all, t.Transport)
				}
			}
		}
	}
	return all
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func dialEarly(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return earlyConn{conn}, nil
	}
}

// earlyConn keeps silent about a write that finds the other end closed. An app may
// answer and close before it has read the request; the answer can still be read, but
// net/http gives up at the failed write. Where there is none, the read fails.
type earlyConn struct{ net.Conn }

func (c earlyConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return len(p), nil
	}
	return n, err
}
