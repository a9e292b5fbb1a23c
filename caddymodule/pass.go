package caddymodule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/internal/idmemory"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/upstream"
	"github.com/inboxgate/inboxgate/internal/via"
	"github.com/inboxgate/inboxgate/verify"
)

// memories holds the ids that pass mode has seen, one memory a source, so that
// a reload forgets none.
var memories = caddy.NewUsagePool()

// openMemory takes a reference to the memory of a source. Each success must be paired
// with one closeMemory.
func openMemory(source string, window time.Duration) (*idmemory.Memory, error) {
	v, _, err := memories.LoadOrNew(source, func() (caddy.Destructor, error) { return idmemory.Open(window) })
	if err != nil {
		return nil, fmt.Errorf("making the memory of %s: %w", source, err)
	}
	m := v.(*idmemory.Memory)
	m.SetWindow(window) // A reload may have changed it.
	return m, nil
}

func closeMemory(source string) { _, _ = memories.Delete(source) }

// relayed bounds the body of the next handler's answer that is handed on. A
// longer one is left out: the platform looks at the status.
const relayed = 64 << 10

// pass hands the event to the next handler, whose explicitly written 2xx is
// the answer. Nothing is stored: a restart forgets the ids that were seen, and
// only the platform retries.
func (h *Webhook) pass(in *incoming, next caddyhttp.Handler) (answer, error) {
	ctx, cancel := in.deadline()
	defer cancel()
	key := in.key()
	if in.odd != "" {
		// There is no quarantine here: the next handler sees the body and
		// judges. Only its copies are dropped, for it has no id.
		key = in.source + "\x00\x00" + string(in.digest[:])
	} else if h.Stale != staleDeliver && h.memory.TooOld(in.created) {
		// Nor can it be kept. The platform's log shall show that it was not taken.
		return answer{}, refusal{http.StatusServiceUnavailable, "created_at is older than the window"}
	}
	rec := upstream.NewRecorder(relayed)
	// Copies wait for the handler, which is bounded by ack_timeout: the request must
	// not be used by it after we have answered.
	var created time.Time
	if in.odd == "" {
		created = in.created
	}
	verdict, by, err := h.memory.Do(ctx, key, in.digest, created, func(ctx context.Context) error {
		return h.handOn(ctx, in, rec, next)
	})
	switch {
	case errors.Is(err, dedupe.ErrFull):
		return answer{}, refusal{http.StatusServiceUnavailable, "the memory for ids is full"}
	case err != nil:
		return answer{}, err
	case verdict == dedupe.Duplicate && by == dedupe.Own:
		return duplicate(metrics.InCache), nil
	case verdict == dedupe.Duplicate, verdict == dedupe.Accepted && by == dedupe.Shared:
		return duplicate(metrics.InFlight), nil
	case verdict == dedupe.Conflict:
		h.log.Warn("event dropped: its id is known with another body", "source", h.Name, "event_id", in.id)
		return answer{result: resultDuplicate, reason: conflicting, caught: metrics.InCache}, nil
	}
	return answer{result: resultAccepted, relay: rec}, nil
}

// handOn runs the next handler for an event whose id is claimed until it has
// answered.
func (h *Webhook) handOn(ctx context.Context, in *incoming, rec *upstream.Recorder, next caddyhttp.Handler) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(h.AckTimeout))
	defer cancel()
	r := in.r.WithContext(joined{ctx, in.r.Context()})
	r.Body = io.NopCloser(bytes.NewReader(in.body.Bytes()))
	r.ContentLength = int64(len(in.body.Bytes()))
	r.Header = shown(r.Header, in)
	left, err := upstream.RunBounded(ctx, next, rec, r)
	switch {
	case !left && rec.Status()/100 == 2 && (errors.Is(err, upstream.ErrCut) || ctx.Err() != nil):
		return nil // The status has decided, however the body went on.
	case left, ctx.Err() != nil:
		return refusal{http.StatusGatewayTimeout, "the next handler did not answer within ack_timeout"}
	case err != nil:
		return refusal{http.StatusBadGateway, fmt.Sprintf("the next handler failed: %v", err)}
	case rec.Status() < 200 || rec.Status() > 299:
		return refusal{http.StatusBadGateway, fmt.Sprintf("the next handler answered %d", rec.Status())}
	}
	return nil
}

// shown returns what the next handler sees of the headers: ours instead of any that
// a client has sent under a name of ours.
func shown(sent http.Header, in *incoming) http.Header {
	h := make(http.Header, len(sent)+3)
	for name, values := range sent {
		plain := strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
		if !strings.HasPrefix(plain, "x-inbox-") || name == verify.Header {
			h[name] = values
		}
	}
	if marks := via.Kept(sent[via.Header]); marks != nil {
		h[via.Header] = marks // An instance further on may know its own.
	}
	h["X-Inbox-Source"] = []string{in.source}
	if in.odd == "" {
		h["X-Inbox-Event-Id"], h["X-Inbox-Event-Type"] = []string{in.id}, []string{in.typ}
	}
	return h
}

// joined has the deadline of one context and the values of another.
type joined struct {
	context.Context
	values context.Context
}

func (j joined) Value(key any) any { return j.values.Value(key) }
