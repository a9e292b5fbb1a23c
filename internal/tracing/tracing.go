// Package tracing joins the spans of an event: that of the request which brought it,
// and one for each attempt to deliver it, which may come hours later.
//
// Guarantee: where requests of a source are traced, so are its attempts, as parts of
// the same trace. Where none is, an attempt costs nothing.
//
// Limits: after a restart attempts are traced only once a traced request has come.
package tracing

import (
	"context"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/inboxgate/inboxgate/internal/deliver"
)

// Source joins the spans of one source's events. The link between them is the
// traceparent that is stored with the event. The zero Source is ready for use.
//
// Caddy keeps the provider of its `tracing` directive to itself; the span of a
// request leads to it.
type Source struct {
	provider atomic.Pointer[trace.TracerProvider] // Of the last request that was traced.
}

var traceContext propagation.TraceContext

// Received remembers the provider of a request that is traced, and puts the
// request's own span where the event keeps its traceparent.
func (t *Source) Received(ctx context.Context, kept http.Header) {
	span := trace.SpanFromContext(ctx)
	if !span.SpanContext().IsValid() {
		return
	}
	if p := span.TracerProvider(); p != nil {
		t.provider.Store(&p)
	}
	kept.Del("Traceparent")
	kept.Del("Tracestate")
	traceContext.Inject(ctx, propagation.HeaderCarrier(kept))
}

// Begin starts the span of an attempt, if requests of this source are traced.
// carry puts it into the header of the attempt's request. end must be called.
func (t *Source) Begin(ctx context.Context, a deliver.Attempt) (_ context.Context, carry func(http.Header), end func(deliver.Answer)) {
	p := t.provider.Load()
	if p == nil {
		return ctx, func(http.Header) {}, func(deliver.Answer) {}
	}
	e := a.Delivery.Event
	ctx = traceContext.Extract(ctx, propagation.HeaderCarrier(e.Request.Header))
	ctx, span := (*p).Tracer("inboxgate").Start(ctx, "deliver "+a.Delivery.Route.Route,
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.String("inbox.source", e.Source), attribute.String("inbox.route", a.Delivery.Route.Route),
			attribute.String("inbox.event.id", e.ID), attribute.String("inbox.event.type", e.Type),
			attribute.Int("inbox.attempt", a.N), attribute.Int("inbox.replay", a.Delivery.Replay),
		))
	carry = func(h http.Header) { traceContext.Inject(ctx, propagation.HeaderCarrier(h)) }
	return ctx, carry, func(answer deliver.Answer) {
		if answer.Status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", answer.Status))
		}
		if answer.Err != nil || answer.Status < 200 || answer.Status > 299 {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
