package caddymodule

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// listenToAnswers makes the proxies of a route judge by the status: they read an
// answer that comes before the request was read, and do not mind how its body ends.
// It returns their transports. Where a handler's active health checks run already
// they stay as they are.
func listenToAnswers(routes caddyhttp.RouteList) (all []*http.Transport) {
	for i := range routes {
		for _, h := range routes[i].Handlers {
			switch h := h.(type) {
			case *caddyhttp.Subroute:
				all = append(all, listenToAnswers(h.Routes)...)
			case *reverseproxy.Handler:
				t, ok := h.Transport.(*reverseproxy.HTTPTransport)
				if !ok || t.Transport == nil {
					continue
				}
				all = append(all, t.Transport)
				if h.HealthChecks == nil || h.HealthChecks.Active == nil {
					t.Transport.DialContext = dialEarly(t.Transport.DialContext)
					h.Transport = statusTransport{t}
				}
			}
		}
	}
	return all
}

// statusTransport ends the body of an answer where it breaks off. Caddy would log
// that with the request's headers, and the status has decided by then.
type statusTransport struct{ *reverseproxy.HTTPTransport }

func (t statusTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.HTTPTransport.RoundTrip(r)
	if err == nil && res.StatusCode != http.StatusSwitchingProtocols {
		res.Body = tornBody{res.Body}
	}
	return res, err //nolint:wrapcheck // Caddy looks at its type.
}

type tornBody struct{ io.ReadCloser }

func (b tornBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
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
