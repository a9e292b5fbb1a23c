package caddymodule_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	traceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceparent = "00-" + traceID + "-00f067aa0ba902b7-01"
)

// spanned puts a span around a request, as the tracing directive does, and
// shows it to the test.
type spanned struct{}

var spans = tracetest.NewInMemoryExporter()

var provider = sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))

func (spanned) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.inbox_spanned", New: func() caddy.Module { return new(spanned) }}
}

func (spanned) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	ctx, span := provider.Tracer("test").Start(r.Context(), "request")
	defer span.End()
	return next.ServeHTTP(w, r.WithContext(ctx))
}

func (*spanned) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func init() {
	caddy.RegisterModule(spanned{})
	httpcaddyfile.RegisterHandlerDirective("inbox_spanned", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return new(spanned), new(spanned).UnmarshalCaddyfile(h.Dispenser)
	})
}

// failsOnce is an app whose first answer is a 500.
func failsOnce(t *testing.T) *app {
	return newApp(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
}

// Each attempt has a span of its own below the request's, and tells the app so.
func TestTraceOfAttempts(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := failsOnce(t)
	in := start(t, "", fmt.Sprintf("route /hook {\ninbox_spanned\ninbox_webhook {\nname traced\nto %s {\nname app\nretry 10ms 10ms\n}\n}\n}", app.addr()))
	spans.Reset()
	id, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	eventually(t, "two attempts and their spans", func() bool { return app.count(id) == 2 && len(spans.GetSpans()) == 3 })

	var request tracetest.SpanStub
	attempts := make(map[string]tracetest.SpanStub)
	for _, s := range spans.GetSpans() {
		if s.Name == "request" {
			request = s
			continue
		}
		attempts[s.SpanContext.SpanID().String()] = s
		if s.Name != "deliver app" || s.SpanKind != trace.SpanKindConsumer {
			t.Errorf("span %q of kind %v", s.Name, s.SpanKind)
		}
	}
	parent := request.SpanContext
	stored := in.records(spool.Query{})[0].Event.Request.Header.Get("Traceparent")
	if want := fmt.Sprintf("00-%s-%s-01", parent.TraceID(), parent.SpanID()); stored != want {
		t.Errorf("stored traceparent %q, want %q", stored, want)
	}
	for n, a := range app.arrivals() {
		part := strings.Split(a.Header.Get("Traceparent"), "-")
		if len(part) != 4 || part[1] != parent.TraceID().String() {
			t.Fatalf("attempt %d: traceparent %q", n+1, a.Header.Get("Traceparent"))
		}
		s, ok := attempts[part[2]]
		if !ok || s.Parent.SpanID() != parent.SpanID() {
			t.Errorf("attempt %d has no span of its own below the request's", n+1)
		}
		values := make(map[string]string)
		for _, kv := range s.Attributes {
			values[string(kv.Key)] = kv.Value.String()
		}
		if values["inbox.event.id"] != id || values["inbox.attempt"] != fmt.Sprint(n+1) || values["http.response.status_code"] != []string{"500", "200"}[n] {
			t.Errorf("attempt %d: attributes %v", n+1, values)
		}
		delete(attempts, part[2])
	}
}

// Caddy's own directive does the same.
func TestTraceWithCaddysDirective(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	app := failsOnce(t)
	in := start(t, "", fmt.Sprintf("tracing\ninbox_webhook /hook {\nname traced-by-caddy\nto %s {\nname app\nretry 10ms 10ms\n}\n}", app.addr()))
	id, body := sample(t, "message.read")
	r := request(t, in.url("/hook"), body)
	r.Header.Set("Traceparent", traceparent)
	send(t, r)
	eventually(t, "two attempts", func() bool { return app.count(id) == 2 })
	seen := map[string]bool{traceparent: true, in.records(spool.Query{})[0].Event.Request.Header.Get("Traceparent"): true}
	for n, a := range app.arrivals() {
		got := a.Header.Get("Traceparent")
		if !strings.HasPrefix(got, "00-"+traceID+"-") || seen[got] {
			t.Errorf("attempt %d: traceparent %q is none of its own in the sender's trace", n+1, got)
		}
		seen[got] = true
	}
}

// Without tracing, the sender's own traceparent goes through as it came.
func TestTraceOff(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := failsOnce(t)
	in := start(t, "", fmt.Sprintf("inbox_webhook /hook {\nname untraced\nto %s {\nname app\nretry 10ms 10ms\n}\n}", app.addr()))
	id, body := sample(t, "message.read")
	r := request(t, in.url("/hook"), body)
	r.Header.Set("Traceparent", traceparent)
	r.Header.Set("Tracestate", "vendor=1")
	send(t, r)
	eventually(t, "two attempts", func() bool { return app.count(id) == 2 })
	for n, a := range app.arrivals() {
		if a.Header.Get("Traceparent") != traceparent || a.Header.Get("Tracestate") != "vendor=1" {
			t.Errorf("attempt %d: %q, %q", n+1, a.Header.Get("Traceparent"), a.Header.Get("Tracestate"))
		}
	}
}
