package event

import (
	"context"
	"log/slog"
	"time"
)

// Defaults of Handler.
const (
	// DefaultMaxBody is the longest body that is read, in bytes: 1 MiB.
	DefaultMaxBody = 1 << 20
	// DefaultTimeout is how long a request may take, from its start to the end
	// of handle's context. The platform waits 10 s for the answer.
	DefaultTimeout = 8 * time.Second
)

// Option changes what Handler does.
type Option func(*handler)

// MaxBody sets the longest body that is read, in bytes. Default DefaultMaxBody,
// which a value below 1 also means.
func MaxBody(n int64) Option {
	return func(h *handler) {
		if n > 0 {
			h.maxBody = n
		}
	}
}

// Timeout sets when handle's context ends, reckoned from the start of the
// request. Default DefaultTimeout, which a value that is not positive also
// means. A WriteTimeout of the http.Server must be longer by a second.
func Timeout(d time.Duration) Option {
	return func(h *handler) {
		if d > 0 {
			h.timeout = d
		}
	}
}

// Logger sets where failures and refusals are logged; default slog.Default. No
// line holds a body, a signature or the data of an event. The texts of handle's
// own errors are logged as they are.
func Logger(l *slog.Logger) Option {
	return func(h *handler) {
		if l != nil {
			h.log = func() *slog.Logger { return l }
		}
	}
}

// Odd is a body that was rightly signed and is no event that can be handled.
type Odd struct {
	// Body is what came. It holds phone numbers: never log it.
	Body []byte
	// Event is what was read out of Body, zero if it could not be parsed.
	Event Event
	// Reason says in a few public words what is odd: a Reason of Parse, that the
	// id is known with another body, or that created_at is out of bounds.
	Reason string
}

// LogValue shows what is odd without the body.
func (o Odd) LogValue() slog.Value {
	return slog.GroupValue(slog.String("reason", o.Reason), slog.Int("bytes", len(o.Body)), slog.Any("event", o.Event))
}

// OnOdd sets what keeps an odd body for people to look at. When keep returns nil
// the answer is 200, and copies of the body are not kept again; after an error it
// is 500. It is called as handle is, under the same context and deadline.
//
// Without OnOdd such a body is refused with 400, or 409: the platform tries it
// six times in all, over 2 h 42 m, its log shows the failure, and then it is
// lost. To answer 200 to what nobody keeps would lose it unseen.
func OnOdd(keep func(ctx context.Context, o Odd) error) Option {
	return func(h *handler) { h.odd = keep }
}

// BehindGate says that every request comes from an inboxgate in front of this
// program, and none from elsewhere. It has judged the event's age, so an event
// that waited for days is taken; an operator's replay (X-Inbox-Replay) is handled
// again, although its id is known; and what cannot be handled is answered with
// 410, which ends its delivery.
//
// These headers are not signed: where others can reach this program, whoever has
// once captured a request could have it handled again.
func BehindGate() Option {
	return func(h *handler) { h.gate = true }
}
