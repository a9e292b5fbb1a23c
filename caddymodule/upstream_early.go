package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/inboxgate/inboxgate/internal/upstream"
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
					t.Transport.DialContext = upstream.DialEarly(t.Transport.DialContext)
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
		res.Body = upstream.TornBody{ReadCloser: res.Body}
	}
	return res, err //nolint:wrapcheck // Caddy looks at its type.
}
