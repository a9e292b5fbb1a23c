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

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/upstream"
	"github.com/inboxgate/inboxgate/internal/via"
	"github.com/inboxgate/inboxgate/verify"
)

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
	} else if h.tooOld(in.created) {
		// Nor can it be kept. The platform's log shall show that it was not taken.
		return answer{}, refusal{http.StatusServiceUnavailable, "created_at is older than the window"}
	}
	rec := upstream.NewRecorder(relayed)
	// The gate waits for the handler, which is bounded by ack_timeout: the
	// request must not be used by it after we have answered.
	caught := metrics.InFlight // Unless the memory is asked for this copy.
	verdict, err := h.memory.gate.Do(context.WithoutCancel(ctx), key, in.digest, func(context.Context) (dedupe.Verdict, error) {
		caught = metrics.InCache
		v, err := h.memory.seen.Accept(ctx, key, in.digest, func(ctx context.Context) error {
			return h.handOn(ctx, in, rec, next)
		})
		if v == dedupe.Accepted && in.odd == "" {
			h.memory.fresh.took(in.created, h.app.settings().Window)
		}
		return v, err
	})
	switch {
	case errors.Is(err, dedupe.ErrFull):
		return answer{}, refusal{http.StatusServiceUnavailable, "the memory for ids is full"}
	case err != nil:
		return answer{}, err
	case verdict == dedupe.Duplicate:
		return duplicate(caught), nil
	case verdict == dedupe.Conflict:
		h.log.Warn("event dropped: its id is known with another body", "source", h.Name, "event_id", in.id)
		return answer{result: resultDuplicate, reason: conflicting, caught: metrics.InCache}, nil
	}
	return answer{result: resultAccepted, relay: rec}, nil
}

// tooOld: its id may have been remembered and forgotten. What lies ahead is none
// of that.
func (h *Webhook) tooOld(created time.Time) bool {
	if h.Stale == staleDeliver || created.IsZero() {
		return false
	}
	why, _ := h.memory.fresh.stale(created, h.app.settings().Window)
	return why == spool.ReasonOld || why == spool.ReasonBelow
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

// shown is what the next handler sees of the headers: ours in place of any that
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
