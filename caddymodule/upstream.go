package caddymodule

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// chain is a route's handlers, run outside a server.
type chain struct {
	handler caddyhttp.Handler
	tracing *tracing
	server  *caddyhttp.Server // reverse_proxy reads its settings unchecked.
	run     func(context.Context, caddyhttp.Handler, *recorder, *http.Request) (left bool, err error)
	// tls: some handler may speak TLS to the app, whose errors look alike before
	// and after the request was sent. Watching for the difference costs.
	tls bool
}

// compile loads the route's handlers, once for all attempts.
func (r *Route) compile(ctx caddy.Context) error {
	for _, raw := range r.HandleRaw {
		if err := resolvable(raw); err != nil {
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
	r.upstream = &chain{handler: routes.Compile(end), server: server, run: runBounded}
	if heedsContext(r.HandleRaw) {
		r.upstream.run = runHere
	}
	for _, raw := range r.HandleRaw {
		r.upstream.tls = r.upstream.tls || bytes.Contains(raw, []byte(`"tls"`))
	}
	return nil
}

// attemptKey marks the context of an attempt: one that comes back to us, by
// `invoke` perhaps, would be answered as a duplicate of itself.
type attemptKey struct{}

// drained bounds how much of an answer is read before the connection is given up.
const drained = 1 << 20

// Attempt hands one delivery to the route's handlers.
func (c *chain) Attempt(ctx context.Context, a deliver.Attempt) (answer deliver.Answer) {
	var carry func(http.Header)
	if c.tracing != nil {
		var end func(deliver.Answer)
		ctx, carry, end = c.tracing.begin(ctx, a)
		defer func() { end(answer) }()
	}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, attemptKey{}, true))
	defer cancel()
	rec := newRecorder(spool.MaxResponse)
	rec.tooMuch = cancel
	var stood atomic.Bool
	if c.tls {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { stood.Store(true) },
		})
	}
	req, err := newRequest(ctx, a)
	if err != nil {
		return deliver.Answer{Reach: deliver.Answered, Err: err}
	}
	if carry != nil {
		carry(req.Header)
	}
	req = caddyhttp.PrepareRequest(req, caddy.NewReplacer(), nil, c.server)
	left, err := c.run(ctx, c.handler, rec, req)
	if left {
		return deliver.Answer{Reach: deliver.Broken, Err: err}
	}
	if isStale(err) && rec.status == 0 {
		// The app had closed the idle connection before it saw anything of
		// this request: that costs no attempt.
		stood.Store(false)
		req, _ = newRequest(ctx, a)
		if carry != nil {
			carry(req.Header)
		}
		req = caddyhttp.PrepareRequest(req, caddy.NewReplacer(), nil, c.server)
		if left, err = c.run(ctx, c.handler, rec, req); left {
			return deliver.Answer{Reach: deliver.Broken, Err: err}
		}
	}
	return judge(ctx, rec, err, stood.Load())
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

// judge says what became of an attempt. Success is never a missing error
// alone: an empty chain writes nothing, a cancelled one writes 499.
//
// stood says that a connection to the app is known to have stood, its TLS
// handshake done.
func judge(ctx context.Context, rec *recorder, err error, stood bool) deliver.Answer {
	a := deliver.Answer{
		Reach:      deliver.Answered,
		Status:     rec.status,
		RetryAfter: parseRetryAfter(rec.header.Get("Retry-After"), time.Now()),
		Response:   rec.kept,
		Err:        err,
	}
	if rec.full && rec.status != 0 {
		a.Err = nil // An endless answer is judged by its status.
		return a
	}
	if rec.status/100 == 2 && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		a.Err = nil // So is one that goes on for longer than an attempt may: the app has the event.
		return a
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, context.DeadlineExceeded):
		a.Reach, a.Err = deliver.Broken, errors.New("the upstream did not answer in time")
		if unreached(err, stood) {
			a.Reach, a.Err = deliver.Unreached, bare(err)
		}
		return a
	case cause != nil:
		a.Reach, a.Err = deliver.Aborted, cause
		return a
	}
	if err == nil {
		if rec.status == 0 {
			a.Err = errors.New("the handlers wrote no answer")
		}
		return a
	}
	a.Err = bare(err)
	if unreached(err, stood) {
		a.Reach = deliver.Unreached
		return a
	}
	var he caddyhttp.HandlerError
	if !errors.As(err, &he) || errors.Is(err, errCut) {
		a.Reach = deliver.Broken
		return a
	}
	switch he.StatusCode {
	case http.StatusBadGateway, http.StatusGatewayTimeout, 499:
		a.Reach = deliver.Broken
	default:
		// A handler that failed behind a 2xx has not succeeded.
		if a.Status == 0 || a.Status/100 == 2 {
			a.Status = he.StatusCode
		}
	}
	return a
}

// bare is err without Caddy's error id and trace, which are noise in a log of
// attempts.
func bare(err error) error {
	var he caddyhttp.HandlerError
	if errors.As(err, &he) && he.Err != nil {
		return he.Err
	}
	return err
}

// unreached: the connection never stood, so the app cannot have seen anything.
func unreached(err error, stood bool) bool {
	if err == nil {
		return false
	}
	var dial reverseproxy.DialError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	if errors.As(err, &dial) {
		return true
	}
	text := err.Error()
	if strings.Contains(text, "no upstreams available") {
		return true
	}
	// In TLS 1.3 our side of the handshake has ended before the app's TLS has
	// looked at our certificate.
	if strings.Contains(text, "remote error: tls: ") && strings.Contains(text, "certificate") {
		return true
	}
	// Any other alert after the handshake may follow what the app has done.
	return !stood && (errors.As(err, &cert) || errors.As(err, &record) ||
		strings.Contains(text, "TLS handshake timeout") || strings.Contains(text, "tls: "))
}

func isStale(err error) bool {
	return err != nil && strings.Contains(err.Error(), "server closed idle connection")
}

func parseRetryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if s, err := strconv.Atoi(value); err == nil {
		return time.Duration(max(0, min(s, 1<<20))) * time.Second
	}
	if t, err := http.ParseTime(value); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
