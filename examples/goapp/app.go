package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

// newApp answers 2xx only to an event that is handled. Anything else comes
// again, from inboxgate or from the platform.
func newApp(log *slog.Logger, v *verify.Verifier, opts ...event.Option) http.Handler {
	a := app{log}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/inbox", event.Handler(v, dedupe.New(), a.handle, append(opts, event.Logger(log))...))
	return mux
}

type app struct{ log *slog.Logger }

// handle is yours to write. The log has ids and no phone numbers.
func (a app) handle(ctx context.Context, e event.Event) error {
	payload, err := e.Payload()
	if errors.Is(err, event.ErrUnknownType) {
		a.log.InfoContext(ctx, "event of another type", "event", e)
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the payload: %w", err)
	}
	switch p := payload.(type) {
	case event.MessageDelivered:
		a.log.InfoContext(ctx, "delivered", "event", e, "message", p.MessageID)
	case event.MessageRead:
		a.log.InfoContext(ctx, "read", "event", e, "message", p.MessageID)
	case event.MessageFailed:
		a.log.WarnContext(ctx, "failed", "event", e, "message", p.MessageID, "code", p.ErrorCode)
	case event.MessageAction:
		a.log.InfoContext(ctx, "action", "event", e, "message", p.MessageID, "action", p.Action)
	}
	return nil
}
