package caddymodule

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/inboxgate/inboxgate/internal/body"
	"github.com/inboxgate/inboxgate/internal/idmemory"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/upstream"
	"github.com/inboxgate/inboxgate/verify"
)

// Webhook takes the events of the Inbox platform: it checks the signature,
// drops duplicates, stores the event and answers 200, and hands it to every
// route that takes its type, again and again until the app has it.
//
// It answers 200 with `X-Inbox-Result: accepted`, `duplicate` or `quarantined`;
// the last two come with an `X-Inbox-Reason` in words. What it refuses goes to
// the site's error routes: 401 for a signature that is not valid, 405 for a
// method other than POST, 408 and 413 for a body that is slow or large, 415 for
// an encoded one, 503 with `Retry-After` for what cannot be stored now.
//
// Placeholders, for logs and for the handlers behind `pass`:
//
//	Placeholder                         | Description
//	------------------------------------|------------
//	`{http.inbox_webhook.event_id}`     | The event's id, once the signature is valid
//	`{http.inbox_webhook.event_type}`   | Its type
//	`{http.inbox_webhook.source}`       | The source's name
//	`{http.inbox_webhook.result}`       | `accepted`, `duplicate`, `quarantined` or `rejected`
//	`{http.inbox_webhook.reject_reason}`| Why it was rejected or quarantined
type Webhook struct {
	Source

	// All are set by Provision and do not change afterwards.

	app     *App
	src     *source // Shared by the handlers of its name.
	log     *slog.Logger
	refused *zap.Logger      // For requests that any stranger may send: it is sampled.
	memory  *idmemory.Memory // The source's, in pass mode; else nil.
}

// CaddyModule returns the Caddy module information.
func (Webhook) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers." + directiveName,
		New: func() caddy.Module { return new(Webhook) },
	}
}

// Provision joins the handler to its source.
func (h *Webhook) Provision(ctx caddy.Context) error {
	h.log = ctx.Slogger()
	h.refused = ctx.Logger().WithOptions(zap.WrapCore(sampled))
	h.setDefaults()
	if err := errors.Join(h.check()...); err != nil {
		return fmt.Errorf("%s %s: %w", directiveName, h.Name, err)
	}
	app, err := ctx.App(appID)
	if err != nil {
		return fmt.Errorf("loading the %s app: %w", appID, err)
	}
	h.app = app.(*App)
	h.app.guards.bound(ctx, h.app.log)
	if err := h.app.guards.stand(ctx, h.app); err != nil {
		return err
	}
	if err := h.fits(h.app.settings().Retention); err != nil {
		return fmt.Errorf("%s %s: %w", directiveName, h.Name, located(h.Source, err))
	}
	src, made, err := h.app.sources.join(h.Source)
	if err != nil {
		return err
	}
	h.src = src
	if !made {
		h.memory = src.memory
		return src.failed
	}
	warnings, err := src.provision(ctx, h.app.settings().Window)
	if err != nil {
		src.failed = fmt.Errorf("%s %s: %w", directiveName, h.Name, located(h.Source, err))
		return src.failed
	}
	h.memory = src.memory
	for _, w := range warnings {
		h.log.Warn("secret needs attention", "source", h.Name, "warning", w+src.place())
	}
	for _, w := range findPlace(src.fingerprint).odd {
		h.log.Warn("upstream needs attention", "source", h.Name, "warning", w)
	}
	shown := src.secrets.Set().Valid()
	h.log.Info("source is configured", "source", h.Name, "secrets", len(shown), "fingerprints", shown, "routes", len(h.Routes))
	return nil
}

// ServeHTTP answers one request of the platform.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	received := time.Now()
	caddyhttp.SetVar(r.Context(), reachedVar, true)
	note := &note{source: h.Name}
	note.attach(r)
	// An attempt that comes back within this process, by `invoke` perhaps, would be
	// answered as a duplicate of itself.
	if upstream.Of(r.Context()) != nil {
		return h.refuse(w, r, note, errCameBack)
	}

	read, err := h.read(w, r)
	if err != nil {
		return h.refuse(w, r, note, err)
	}
	defer read.Drop()
	body := read.Bytes()

	if err := h.src.secrets.Set().Check(body, r.Header[verify.Header]); err != nil {
		if encoded(r) {
			return h.refuse(w, r, note, refusal{http.StatusUnsupportedMediaType, "the body is encoded and its signature is not that of the encoded bytes"})
		}
		h.src.puzzle.Explain(h.src.secrets.Set(), body, r.Header[verify.Header], h.Name, h.log)
		return h.refuse(w, r, note, refusal{http.StatusUnauthorized, err.Error()})
	}
	in := &incoming{r: r, body: read, tracing: &h.src.tracing, received: received, source: h.Name, digest: sha256.Sum256(body)}
	in.identify()
	note.eventID, note.eventType = in.id, in.typ
	var a answer
	if h.Pass {
		a, err = h.pass(in, next)
	} else {
		a, err = h.accept(in)
	}
	if err != nil {
		return h.refuse(w, r, note, err)
	}
	note.result, note.reason = a.result, a.reason
	a.count(h.src.meters(), received)
	h.auditEvent(in, a)
	if a.result == resultQuarantined {
		h.log.Warn("event quarantined", "source", h.Name, "event_id", in.id, "event_type", in.typ, "reason", a.reason)
	}
	return a.write(w)
}

// read returns the whole body, or why it is refused.
func (h *Webhook) read(w http.ResponseWriter, r *http.Request) (*body.Body, error) {
	// Set before anything is refused: the server reads on what was not read, up
	// to 256 KiB, before it sends an answer.
	deadline := time.Now().Add(time.Duration(h.ReadTimeout))
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(deadline)
	if r.Method != http.MethodPost {
		return nil, refusal{http.StatusMethodNotAllowed, "method is not POST"}
	}
	read, err := body.Process().Read(r, control, h.MaxBody, deadline)
	if no, ok := errors.AsType[body.Error](err); ok {
		return nil, refusal{no.Status, no.Reason}
	}
	return read, err
}

// auditEvent writes one line about an event that was taken to the audit log.
func (h *Webhook) auditEvent(in *incoming, a answer) {
	if !h.app.audit.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	attrs := make([]slog.Attr, 0, 5)
	attrs = append(attrs, slog.String("source", h.Name), slog.String("event_id", in.id), slog.String("event_type", in.typ), slog.String("result", a.result))
	if a.reason != "" {
		attrs = append(attrs, slog.String("reason", a.reason))
	}
	h.app.audit.LogAttrs(context.Background(), slog.LevelInfo, "event taken", attrs...)
}

// refuse turns what went wrong into Caddy's error, so that error routes work.
// Below 500 Caddy logs only at debug, so rejections are logged here.
func (h *Webhook) refuse(w http.ResponseWriter, r *http.Request, note *note, err error) error {
	status, reason := http.StatusServiceUnavailable, "cannot be stored now"
	var no refusal
	switch {
	case errors.As(err, &no):
		status, reason = no.status, no.reason
	case errors.Is(err, spool.ErrFull), errors.Is(err, spool.ErrQuarantineFull), errors.Is(err, spool.ErrClock):
		reason = err.Error()
	}
	switch status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	case http.StatusLoopDetected:
		w.Header().Set("X-Inbox-Reason", reason) // For the attempt at the other end.
	}
	if len(r.TransferEncoding) > 0 {
		// net/http takes a request with a Content-Length beside it as chunked. A
		// proxy in front may have seen its end elsewhere, and what follows on the
		// connection would be a stranger's choice.
		w.Header().Set("Connection", "close")
	}
	note.result, note.reason = resultRejected, reason
	why := metrics.Reason(status, reason)
	h.src.meters().Rejected(why)
	if status == http.StatusUnauthorized && h.src.refused.Add(time.Now()) {
		h.app.emit(EventRejected, map[string]any{"source": h.Name, "reason": why})
	}
	fields := []zap.Field{zap.String("source", h.Name), zap.Int("status", status), zap.String("reason", reason)}
	if status < http.StatusInternalServerError {
		h.refused.Warn("request refused", fields...)
		return refuses(r, status, err)
	}
	h.refused.Error("request cannot be taken", append(fields, zap.Error(err))...)
	if hasErrorRoutes(r) {
		return refuses(r, status, err)
	}
	// Caddy would log the request's headers, with a signature that is valid for
	// an event that is not stored yet.
	caddyhttp.SetVar(r.Context(), refusedVar, status) // For what stands around.
	w.WriteHeader(status)
	return nil
}

func hasErrorRoutes(r *http.Request) bool {
	s, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return s != nil && s.Errors != nil && len(s.Errors.Routes) > 0
}

// sampled returns a core that keeps strangers from filling the log: of each message
// the first ten in a second are written, and then one in a hundred.
func sampled(core zapcore.Core) zapcore.Core {
	return zapcore.NewSamplerWithOptions(core, time.Second, 10, 100)
}

// refusal is an answer other than 200.
type refusal struct {
	status int
	reason string
}

func (r refusal) Error() string { return r.reason }

const (
	resultAccepted    = "accepted"
	resultDuplicate   = "duplicate"
	resultQuarantined = "quarantined"
	resultRejected    = "rejected"

	// In seconds. The platform has a schedule of its own; others may listen.
	retryAfter = "10"
)

// Interface guards.
var (
	_ caddy.Provisioner           = (*Webhook)(nil)
	_ caddyhttp.MiddlewareHandler = (*Webhook)(nil)
)
