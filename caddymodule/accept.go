package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/body"
	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/routing"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/tracing"
	"github.com/inboxgate/inboxgate/internal/via"
	"github.com/inboxgate/inboxgate/verify"
)

// incoming is a request whose signature was valid.
type incoming struct {
	r    *http.Request
	body *body.Body // Its first user is ServeHTTP.
	// received is the machine's time. The event carries none: the store stamps
	// it with its own clock, which never runs backwards.
	received time.Time
	source   string          // Its name.
	digest   spool.Digest    // Of the body.
	tracing  *tracing.Source // The source's.

	// id, typ and created are the event's; of an odd body, what is beyond doubt.
	id, typ string
	created time.Time
	// odd is the reason why the body is no usable event, empty if it is one.
	odd string
}

// key returns the name of the event among those of all sources.
func (in *incoming) key() string { return in.source + "\x00" + in.id }

// keptHeaders are stored with the event and sent to the app as they came. All other
// headers are dropped: they concern this hop only, or would let a client speak in our
// name (X-Inbox-*).
var keptHeaders = []string{"Content-Type", "Content-Encoding", "User-Agent", verify.Header, "Traceparent", "Tracestate"}

// event returns the request as it is to be stored.
func (in *incoming) event() *spool.Event {
	r := in.r
	kept := make(http.Header, 4)
	for _, name := range keptHeaders {
		if v, ok := r.Header[name]; ok {
			kept[name] = v
		}
	}
	if marks := via.Kept(r.Header[via.Header]); marks != nil {
		kept[via.Header] = marks
	}
	if !encoded(r) {
		delete(kept, "Content-Encoding") // It names no coding, and an app may refuse it.
	}
	e := &spool.Event{
		Source: in.source, ID: in.id, Type: in.typ, CreatedAt: in.created, Digest: in.digest,
		Request: spool.Request{
			Method:     r.Method,
			URI:        r.RequestURI,
			Host:       r.Host,
			RemoteAddr: r.RemoteAddr,
			Scheme:     "http",
			Header:     kept,
			Body:       in.body.Bytes(),
		},
	}
	// Not what rewrites in front of us have made of it.
	if orig, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		e.Request.URI = orig.RequestURI
	}
	if r.TLS != nil {
		e.Request.Scheme = "https"
	}
	in.tracing.Received(r.Context(), kept)
	behindProxy(&e.Request, r)
	return e
}

// behindProxy takes the client and the scheme from a proxy that the operator
// trusts, as Caddy does.
func behindProxy(req *spool.Request, r *http.Request) {
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); !trusted {
		return
	}
	if ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string); ip != "" {
		req.RemoteAddr = net.JoinHostPort(ip, "0")
	}
	if strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		req.Scheme = "https"
	}
}

// encoded reports whether the bytes may be other than the body.
func encoded(r *http.Request) bool { return body.Encoded(r.Header) }

// identify reads id, type and time out of the body, or finds it odd.
func (in *incoming) identify() {
	if encoded(in.r) {
		in.odd = "body is encoded"
		return
	}
	e, err := event.Parse(in.body.Bytes())
	if err != nil {
		in.odd = event.Reason(err)
		e = event.Sure(in.body.Bytes())
	}
	in.id, in.typ, in.created = e.ID, e.Type, e.CreatedAt
}

// age returns how old the event says it is, as the end of a reason.
func (in *incoming) age() string {
	how, age := "old", in.received.Sub(in.created).Round(time.Second)
	if age < 0 {
		how, age = "ahead", -age
	}
	text := age.String()
	if days := age / (24 * time.Hour); days >= 2 {
		text = fmt.Sprintf("%d days", days)
	}
	return fmt.Sprintf(": created_at is %s, which is %s %s", in.created.Format(time.RFC3339), text, how)
}

// accept stores the event, once, and starts what may start.
func (h *Webhook) accept(in *incoming) (answer, error) {
	if marks := in.r.Header[via.Header]; marks != nil {
		if err := h.follow(in, marks); err != nil {
			return answer{}, err
		}
	}
	key := in.key()
	if app := h.app.started(); app != nil && in.odd == "" && app.Gate.Known(key, in.digest) {
		return duplicate(metrics.InCache), nil
	}
	ctx, cancel := in.deadline()
	defer cancel()
	app, err := h.app.await(ctx)
	if err != nil {
		return answer{}, err
	}
	if in.odd != "" {
		err := in.quarantine(ctx, app.Store)
		if errors.Is(err, spool.ErrReleased) {
			return duplicate(metrics.InStore), nil
		}
		if err != nil {
			return answer{}, fmt.Errorf("quarantining a body: %w", err)
		}
		return quarantined(metrics.Odd, in.odd), nil
	}
	e := in.event() // Here, because the request is not ours once the answer is out.
	receipt, by, err := app.Gate.Do(ctx, key, in.digest, func(ctx context.Context) (spool.Receipt, bool, error) {
		in.body.Keep()
		defer in.body.Drop()
		return h.store(ctx, app, e)
	})
	if err != nil {
		return answer{}, fmt.Errorf("accepting an event: %w", err)
	}
	return in.answer(receipt, by)
}

// answer turns what the store says of an event into the answer to this request. Of
// copies that came together, one has asked the store.
func (in *incoming) answer(receipt spool.Receipt, by dedupe.By) (answer, error) {
	switch {
	case by == dedupe.Cached:
		return duplicate(metrics.InCache), nil
	case receipt.Verdict == spool.Conflict:
		return quarantined(metrics.Conflict, conflicting), nil
	case receipt.Verdict == spool.Stale:
		return quarantined(metrics.Stale, receipt.Reason+in.age()), nil
	case by == dedupe.Shared:
		return duplicate(metrics.InFlight), nil
	case receipt.Verdict == spool.Duplicate:
		return duplicate(metrics.InStore), nil
	case receipt.Verdict == spool.Accepted:
		return answer{result: resultAccepted}, nil
	}
	return answer{}, errors.New("accepting an event: the store gave no verdict")
}

// follow refuses an event that has come through this source before. Taken, it would
// be a duplicate of itself: delivered, and seen by no app.
func (h *Webhook) follow(in *incoming, marks []string) error {
	ctx, cancel := in.deadline()
	defer cancel()
	app, err := h.app.await(ctx)
	if err != nil {
		return err
	}
	if via.CameBack(marks, markOf(app.Store, h.Name)) {
		return errCameBack
	}
	return nil
}

var errCameBack = refusal{http.StatusLoopDetected, via.Reason}

// markOf returns the mark by which a source of a store knows its own deliveries.
func markOf(store spool.Store, source string) string {
	return via.Mark(store.Identity(), source)
}

// quarantine keeps the body. Where the store is slow, the request goes when ctx
// ends; the store has the bytes for longer, and so has the body budget.
func (in *incoming) quarantine(ctx context.Context, store spool.Store) error {
	odd := spool.Odd{Event: in.event(), Reason: in.odd}
	done := make(chan error, 1)
	in.body.Keep()
	go func() {
		defer in.body.Drop()
		done <- store.Quarantine(context.WithoutCancel(ctx), odd)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// deadline bounds the answer. The claim belongs to the accept: a client that
// goes away cancels nothing, and its retry finds the result.
func (in *incoming) deadline() (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.WithoutCancel(in.r.Context()), in.received.Add(answerWithin))
}

// store asks the store, which is the judge, and offers what was born running
// to the dispatcher. durable reports whether the store has the event now.
func (h *Webhook) store(ctx context.Context, app *engine, e *spool.Event) (receipt spool.Receipt, durable bool, err error) {
	d := app.dispatcher
	in := spool.Intake{
		Event:        e,
		Owner:        d.Owner(),
		LeaseFor:     d.LeaseFor(),
		DeliverStale: h.Stale == staleDeliver,
	}
	matched := h.src.table.Match(e)
	in.Routes = make([]spool.RouteWish, len(matched))
	for i, m := range matched {
		in.Routes[i] = spool.RouteWish{Route: h.src.Routes[m.Route].Name, Key: m.Key, Start: d.Reserve(h.src.keys[m.Route])}
	}
	asked := time.Now()
	// After a panic too: room that is not given back is lost until a restart.
	defer func() { h.offer(d, matched, in.Routes, receipt.Running, asked) }()
	receipt, err = app.Store.Accept(ctx, in)
	if err != nil {
		return spool.Receipt{}, false, err
	}
	return receipt, receipt.Verdict == spool.Accepted || receipt.Verdict == spool.Duplicate, nil
}

// offer hands what was born running to the dispatcher, and gives back the room
// that was reserved for the rest. asked is when the store was asked.
func (h *Webhook) offer(d *deliver.Dispatcher, matched []routing.Match, wishes []spool.RouteWish, running []spool.Delivery, asked time.Time) {
	for i, m := range matched {
		switch key := h.src.keys[m.Route]; {
		case !wishes[i].Start:
		case len(running) > 0 && running[0].Route == key:
			d.Offer(running[0], asked)
			running = running[1:]
		default:
			d.Unreserve(key)
		}
	}
}
