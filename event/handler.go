package event

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// Deduper lets each id be handled once. *dedupe.Memory is one; a program that
// does its work in a database has a better one: a table of ids, written in the
// transaction of the work.
//
// Once runs handle if id is new, and remembers id, with the digest, only if
// handle returned nil. first reports that this call did so. Else the id was
// known, and same reports whether with this digest. Of several calls at the same
// time for one id, one runs handle and the others wait for its outcome. An error
// of handle comes back as it is, or wrapped.
//
// A Deduper that forgets ids by age also has a method Window() time.Duration,
// for how long each is remembered at least: Handler then takes no event as new
// whose id may have been forgotten.
type Deduper interface {
	Once(ctx context.Context, id string, digest [sha256.Size]byte, handle func(context.Context) error) (first, same bool, err error)
}

// Handler receives the events of the platform and calls handle for each of them
// once. It answers 200 only when handle has returned nil, now or for an earlier
// copy, so that the platform sends again what was not handled.
//
//	200  X-Inbox-Result: accepted, duplicate (handle is not called again), or
//	     quarantined (what OnOdd took)
//	400  signed, but no event that can be used, without OnOdd; X-Inbox-Reason
//	     says why. 409 if its id is known with another body. See OnOdd
//	401  no valid signature, the same for every reason
//	405  any method but POST
//	408  the body did not come within 5 s
//	413  a body longer than MaxBody
//	500  handle returned an error or panicked; both are logged
//	503  with Retry-After: the ids' memory is full, or handle takes too long
//
// handle gets a context that ends after Timeout, within the platform's 10 s, and
// not when the sender goes away. With a *dedupe.Memory it runs in a goroutine of
// its own and goes on after that if it ignores the context; copies wait for it.
// What takes longer belongs into a queue: handle puts it there and returns.
//
// Handler panics if one of its arguments is nil.
func Handler(v Verifier, ids Deduper, handle func(ctx context.Context, e Event) error, opts ...Option) http.Handler {
	if v == nil || ids == nil || handle == nil {
		panic("event: Handler needs a verifier, ids and a function")
	}
	h := &handler{verifier: v, ids: ids, handle: handle, maxBody: DefaultMaxBody, timeout: DefaultTimeout, log: slog.Default}
	for _, opt := range opts {
		opt(h)
	}
	return h
}

type handler struct {
	verifier Verifier
	ids      Deduper
	handle   func(context.Context, Event) error
	odd      func(context.Context, Odd) error // nil: odd bodies are refused
	maxBody  int64                            // bytes
	timeout  time.Duration
	gate     bool // requests come from inboxgate alone
	log      func() *slog.Logger
	refused  sampler
}

// overtime is how much longer than handle's context an answer is waited for, so
// that a handle that heeds its context is in time to say what went wrong.
const overtime = 500 * time.Millisecond

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	deadline := time.Now().Add(h.timeout)
	body, status := h.read(w, r)
	if status != 0 {
		h.refuse(w, r, status, nil)
		return
	}
	e, err := Construct(body, r.Header, h.verifier)
	if errors.Is(err, ErrUnsigned) {
		h.refuse(w, r, http.StatusUnauthorized, err)
		return
	}
	// A sender that goes away does not take the work along: it would come again.
	ctx, cancel := context.WithDeadline(context.WithoutCancel(r.Context()), deadline.Add(overtime))
	defer cancel()
	in := arrival{body: body, digest: sha256.Sum256(body), event: e, deadline: deadline}
	if err != nil {
		h.setAside(ctx, in, Reason(err)).write(w)
		return
	}
	in.replay = h.replay(r)
	h.take(ctx, in).write(w)
}

// arrival is a signed body on its way.
type arrival struct {
	body     []byte
	digest   [sha256.Size]byte
	event    Event     // zero if the body is none
	replay   string    // which replay by an operator it is; empty if none
	deadline time.Time // of what handles it
}

// take handles an event, unless it is known or cannot be used.
func (h *handler) take(ctx context.Context, in arrival) answer {
	key := in.event.ID
	if in.replay != "" {
		key += " r" + in.replay // which no id can be: it has no blank
	}
	handle := h.bounded(in, func(ctx context.Context) error { return h.handle(ctx, in.event) })
	if reason := h.stale(in.event.CreatedAt); reason != "" {
		// What is known is a copy whatever its age.
		handle = func(context.Context) error { return staleError{reason} }
	}
	first, same, err := h.ids.Once(ctx, key, in.digest, handle)
	stale, old := errors.AsType[staleError](err)
	switch {
	case old:
		return h.setAside(ctx, in, stale.reason)
	case err != nil:
		return h.failed(ctx, in, err)
	case first:
		return answer{status: http.StatusOK, result: "accepted"}
	case same:
		return answer{status: http.StatusOK, result: "duplicate", reason: "the id is known with the same body"}
	}
	return h.setAside(ctx, in, conflicting)
}

const conflicting = "the id is known with another body"

// setAside gives a body that is no event to use to OnOdd, once, or refuses it:
// nothing gets a 200 that nobody keeps.
func (h *handler) setAside(ctx context.Context, in arrival, reason string) answer {
	h.log().WarnContext(ctx, "odd event", "event", in.event, "bytes", len(in.body), "reason", reason, "kept", h.odd != nil)
	if h.odd == nil {
		a := answer{status: http.StatusBadRequest, reason: reason}
		switch {
		case h.gate:
			a.status = http.StatusGone // inboxgate need not try this again
		case reason == conflicting:
			a.status = http.StatusConflict
		}
		return a
	}
	// Not by its id, which it may not have, and which may be another event's.
	_, _, err := h.ids.Once(ctx, "body:"+hex.EncodeToString(in.digest[:]), in.digest, h.bounded(in, func(ctx context.Context) error {
		return h.odd(ctx, Odd{Body: in.body, Event: in.event, Reason: reason})
	}))
	if err != nil {
		return h.failed(ctx, in, err)
	}
	return answer{status: http.StatusOK, result: "quarantined", reason: reason}
}

// staleError leaves the id of an event that is too old, or too new, free.
type staleError struct{ reason string }

func (e staleError) Error() string { return e.reason }

// handleError is what the function that was given made of an event.
type handleError struct{ err error }

func (e handleError) Error() string { return e.err.Error() }
func (e handleError) Unwrap() error { return e.err }

var errPanicked = errors.New("it panicked")

// bounded runs do under the deadline of a request, and logs how it fails: the
// request may be answered by then. A Deduper need not know of panics.
func (h *handler) bounded(in arrival, do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		ctx, cancel := context.WithDeadline(ctx, in.deadline)
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				// The type only: the value may hold what must not be logged.
				h.log().ErrorContext(ctx, "handling an event panicked", "event", in.event, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
				err = handleError{errPanicked}
			}
		}()
		if err := do(ctx); err != nil {
			h.log().ErrorContext(ctx, "event not handled", "event", in.event, "error", err.Error())
			return handleError{err}
		}
		return nil
	}
}

// failed answers so that the event comes again.
func (h *handler) failed(ctx context.Context, in arrival, err error) answer {
	if _, ok := errors.AsType[handleError](err); ok {
		return answer{status: http.StatusInternalServerError}
	}
	h.log().WarnContext(ctx, "event cannot be taken now", "event", in.event, "error", err.Error())
	return answer{status: http.StatusServiceUnavailable}
}
