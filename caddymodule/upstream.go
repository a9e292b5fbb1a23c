package caddymodule

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/inboxgate/inboxgate/internal/address"
	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/handlers"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/tracing"
	"github.com/inboxgate/inboxgate/internal/via"
)

// chain is a route's handlers, run outside a server.
type chain struct {
	handler caddyhttp.Handler
	tracing *tracing.Source
	server  *caddyhttp.Server // reverse_proxy reads its settings unchecked.
	run     func(context.Context, caddyhttp.Handler, *recorder, *http.Request) (left bool, err error)
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
	r.upstream = &chain{handler: routes.Compile(end), server: server, run: runBounded, sockets: listenToAnswers(routes)}
	if handlers.EndWithContext(r.HandleRaw) {
		r.upstream.run = runHere
	}
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
	var tour tour
	for {
		t := &try{tour: &tour}
		answer = c.once(ctx, a, carry, t)
		switch {
		case t.left:
			return answer
		case t.died(ctx, answer) && tour.repeats < maxRepeats:
			tour.repeats++
			for _, s := range c.sockets {
				s.CloseIdleConnections() // So that the next one is fresh.
			}
		case !tour.goesOn(ctx, t, answer):
			return tour.sum(answer)
		}
	}
}

// once runs the handlers one time.
func (c *chain) once(ctx context.Context, a deliver.Attempt, carry func(http.Header), t *try) deliver.Answer {
	rec := newRecorder(spool.MaxResponse)
	t.rec = rec
	run, cancel := context.WithCancelCause(context.WithValue(ctx, attemptKey{}, t))
	defer cancel(nil)
	t.cancel = cancel
	rec.enough = func() { cancel(errEnough) }
	run = httptrace.WithClientTrace(run, t.trace())
	req, err := newRequest(run, a)
	if err != nil {
		return deliver.Answer{Reach: deliver.Answered, Err: err}
	}
	via.Add(req.Header, c.mark)
	if carry != nil {
		carry(req.Header)
	}
	req = caddyhttp.PrepareRequest(req, caddy.NewReplacer(), nil, c.server)
	t.began = time.Now()
	left, err := c.run(run, c.handler, rec, req)
	t.err = err
	if t.left = left; left {
		// The handlers keep the recorder, but for its status.
		if status := int(rec.final.Load()); status != 0 {
			return deliver.Answer{Reach: deliver.Answered, Status: status}
		}
		return deliver.Answer{Reach: deliver.Broken, Err: err}
	}
	t.end()
	return t.judge(ctx)
}

// newRequest is the platform's request as it came, and what we add.
func newRequest(ctx context.Context, a deliver.Attempt) (*http.Request, error) {
	e := a.Delivery.Event
	u, err := url.ParseRequestURI(e.Request.URI)
	if err != nil {
		return nil, fmt.Errorf("parsing the stored URI: %w", err)
	}
	head := make(http.Header, len(e.Request.Header)+8)
	for name, values := range e.Request.Header {
		head[name] = slices.Clone(values) // Handlers change values in place, and other routes share them.
	}
	key := e.ID
	if n := a.Delivery.Replay; n > 0 {
		replay := strconv.Itoa(n)
		head["X-Inbox-Replay"] = []string{replay}
		key += ":r" + replay
	}
	head["Idempotency-Key"] = []string{key}
	head["X-Inbox-Event-Id"] = []string{e.ID}
	head["X-Inbox-Event-Type"] = []string{e.Type}
	head["X-Inbox-Source"] = []string{e.Source}
	head["X-Inbox-Route"] = []string{a.Delivery.Route.Route}
	head["X-Inbox-Attempt"] = []string{strconv.Itoa(a.N)}
	req := &http.Request{
		Method:        e.Request.Method,
		URL:           u,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        head,
		Body:          io.NopCloser(bytes.NewReader(e.Request.Body)),
		ContentLength: int64(len(e.Request.Body)),
		Host:          e.Request.Host,
		RemoteAddr:    e.Request.RemoteAddr,
		RequestURI:    e.Request.URI,
	}
	if e.Request.Scheme == "https" {
		// reverse_proxy tells the app the scheme by this alone.
		req.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: e.Request.Host}
	}
	return req.WithContext(ctx), nil
}
