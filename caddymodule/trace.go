package caddymodule

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

// tracing joins the spans of an event: Caddy's own around the request, and one
// for each attempt, which may come hours later. The link between them is the
// traceparent that is stored with the event.
//
// Caddy keeps the provider of its `tracing` directive to itself; the span of a
// request leads to it.
type tracing struct {
	provider atomic.Pointer[trace.TracerProvider]
}

var traceContext propagation.TraceContext

// note remembers the provider of a request that is traced, and puts the
// request's own span where the event keeps its traceparent.
func (t *tracing) note(ctx context.Context, kept http.Header) {
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

// begin starts the span of an attempt, if requests of this source are traced.
// The attempt's request then carries it on. end must be called.
func (t *tracing) begin(ctx context.Context, a deliver.Attempt) (_ context.Context, carry func(http.Header), end func(deliver.Answer)) {
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
