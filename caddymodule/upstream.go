package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/inboxgate/inboxgate/internal/address"
	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/handlers"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/tracing"
	"github.com/inboxgate/inboxgate/internal/upstream"
	"github.com/inboxgate/inboxgate/internal/via"
)

// chain is a route's handlers, run outside a server.
type chain struct {
	handler caddyhttp.Handler // All of them, compiled.
	tracing *tracing.Source   // The source's; nil where nothing is traced.
	server  *caddyhttp.Server // Stands in for a real one: reverse_proxy reads its settings unchecked.
	// bounded is set where handlers may go on after the end of their context.
	bounded bool
	// mark names the source to itself; set before the first attempt.
	mark string
	// sockets are the transports of the route's proxies.
	sockets []*http.Transport
}

// compile loads the route's handlers, once for all attempts.
func (r *Route) compile(ctx caddy.Context) error {
	for _, dial := range handlers.Dials(r.HandleRaw...) {
		if err := resolvable(dial); err != nil {
			return fmt.Errorf("route %q: %w", r.Name, err)
		}
	}
	routes := caddyhttp.RouteList{{HandlersRaw: r.HandleRaw}}
	if err := routes.Provision(ctx); err != nil {
		return fmt.Errorf("route %q: %w", r.Name, err)
	}
	// At the end of the chain nothing is written, which is no success.
	end := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	// Where inbox_webhook serves, the provisioning server is known.
	server := new(caddyhttp.Server)
	if of, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		server.NamedRoutes = of.NamedRoutes // For `invoke`.
	}
	r.upstream = &chain{handler: routes.Compile(end), server: server, bounded: !handlers.EndWithContext(r.HandleRaw), sockets: listenToAnswers(routes)}
	return nil
}

// resolvable refuses an address whose placeholder names nothing: Caddy would dial an
// empty host, and the route would wait for ever. It refuses one that a request fills
// in, too.
func resolvable(dial string) error {
	if err := address.Fixed(dial); err != nil {
		return err
	}
	if !strings.Contains(dial, "{env.") && !strings.Contains(dial, "{file.") {
		return nil
	}
	if _, err := caddy.NewReplacer().ReplaceOrErr(dial, true, true); err != nil {
		return fmt.Errorf("upstream '%s' is unknown or empty: set what it names", dial)
	}
	return nil
}

// Attempt hands one delivery to the route's handlers: to one address after
// another while nothing was sent, and once more where a kept connection died.
func (c *chain) Attempt(ctx context.Context, a deliver.Attempt) (answer deliver.Answer) {
	var carry func(http.Header)
	if c.tracing != nil {
		var end func(deliver.Answer)
		ctx, carry, end = c.tracing.Begin(ctx, a)
		defer func() { end(answer) }()
	}
	var tour upstream.Tour
	for {
		t, run := tour.Begin(ctx, spool.MaxResponse)
		answer = c.once(ctx, run, a, carry, t)
		again, fresh := tour.Next(ctx, t, answer)
		if fresh {
			for _, s := range c.sockets {
				s.CloseIdleConnections()
			}
		}
		if !again {
			return tour.Sum(answer)
		}
	}
}

// once runs the handlers one time, with a request of the context run.
func (c *chain) once(ctx, run context.Context, a deliver.Attempt, carry func(http.Header), t *upstream.Try) deliver.Answer {
	defer t.End()
	req, err := upstream.NewRequest(run, a.Delivery, a.N)
	if err != nil {
		return deliver.Answer{Reach: deliver.Answered, Err: err}
	}
	via.Add(req.Header, c.mark)
	if carry != nil {
		carry(req.Header)
	}
	req = caddyhttp.PrepareRequest(req, caddy.NewReplacer(), nil, c.server)
	return t.Run(ctx, c.handler, req, c.bounded, failureOf)
}

// failureOf returns what Caddy's handlers say in their error, without its id and trace,
// which are noise in a log of attempts.
func failureOf(err error) upstream.Failure {
	f := upstream.Failure{Err: err}
	var he caddyhttp.HandlerError
	if errors.As(err, &he) {
		f.Handler, f.Status = true, he.StatusCode
		if he.Err != nil {
			f.Err = he.Err
		}
	}
	var dial reverseproxy.DialError
	f.Dial = errors.As(err, &dial)
	return f
}
