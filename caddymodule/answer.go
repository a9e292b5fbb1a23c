package caddymodule

import (
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/upstream"
)

// answer is what a 200 says.
type answer struct {
	// result and reason are those of the headers X-Inbox-Result and X-Inbox-Reason.
	result, reason string
	// caught is where a duplicate was, and why the reason of a quarantined event,
	// for the metrics.
	caught metrics.Caught
	why    string
	// relay holds the answer of the next handler, in pass mode.
	relay *upstream.Recorder
}

func duplicate(caught metrics.Caught) answer {
	return answer{result: resultDuplicate, reason: "the id is known with the same body", caught: caught}
}

const conflicting = "the id is known with another body"

func quarantined(why, reason string) answer {
	return answer{result: resultQuarantined, why: why, reason: reason}
}

// count counts the answer to a request that came at a time.
func (a answer) count(m *metrics.Source, came time.Time) {
	took := time.Since(came)
	switch a.result {
	case resultAccepted:
		m.Accepted(came, took)
	case resultDuplicate:
		m.Duplicate(a.caught, came, took)
	default:
		m.Quarantined(a.why, came, took)
	}
}

func (a answer) write(w http.ResponseWriter) error {
	head := w.Header()
	if a.relay != nil {
		for name, values := range a.relay.Header() {
			head[name] = values
		}
		head.Del("Content-Length") // What is handed on may be shorter.
	}
	head["X-Inbox-Result"] = []string{a.result}
	if a.reason != "" {
		head["X-Inbox-Reason"] = []string{a.reason}
	}
	if a.relay != nil {
		w.WriteHeader(a.relay.Status())
		body, whole := a.relay.Body()
		if !whole {
			body = nil
		}
		_, err := w.Write(body)
		return err
	}
	head["Content-Type"] = []string{"text/plain; charset=utf-8"} // Its own: handlers of the site may edit it in place.
	_, err := w.Write(bodyOK)                                    // Which is a 200: to write that first would set Caddy's deadline twice.
	return err
}

var bodyOK = []byte("OK")

// note is what is known of a request, for placeholders and the access log. It
// is read only where a log or a handler asks: most requests are not logged.
type note struct {
	source, eventID, eventType, result, reason string
}

const placeholders = "http.inbox_webhook."

// attach makes the note known to the request's replacer and access log.
func (n *note) attach(r *http.Request) {
	r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).Map(n.placeholder)
	if s, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && s.Logs == nil {
		return // The fields would be read by no log.
	}
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Add(zap.Inline(n))
	}
}

func (n *note) placeholder(key string) (any, bool) {
	name, ok := strings.CutPrefix(key, placeholders)
	if !ok {
		return nil, false
	}
	for field, value := range n.fields {
		if field == name {
			return value, true
		}
	}
	return nil, false
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (n *note) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	for field, value := range n.fields {
		if value != "" {
			enc.AddString("inbox_"+field, value)
		}
	}
	return nil
}

func (n *note) fields(yield func(name, value string) bool) {
	_ = yield("source", n.source) && yield("event_id", n.eventID) && yield("event_type", n.eventType) &&
		yield("result", n.result) && yield("reject_reason", n.reason)
}
