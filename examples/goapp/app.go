package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

// app handles events.
type app struct {
	http.Handler
	log *slog.Logger

	mu      sync.Mutex
	handled map[string]bool // by event id
}

// newApp reads the secret where inboxgate reads it: from
// INBOX_WEBHOOK_SECRET_FILE or INBOX_WEBHOOK_SECRET. During a rotation both
// hold several, one a line or separated by commas.
func newApp(log *slog.Logger, getenv func(string) string) (*app, error) {
	text := getenv("INBOX_WEBHOOK_SECRET")
	if path := getenv("INBOX_WEBHOOK_SECRET_FILE"); path != "" {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading the secret: %w", err)
		}
		text = string(raw)
	}
	var secrets []verify.Secret
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		secrets = append(secrets, verify.Key(s))
	}
	v, err := verify.New(secrets...)
	if err != nil {
		return nil, fmt.Errorf("taking the secret: %w", err)
	}
	a := &app{log: log, handled: make(map[string]bool)}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/inbox", verify.Middleware(v)(http.HandlerFunc(a.receive)))
	a.Handler = mux
	return a, nil
}

// receive answers 2xx only when the event is handled. For anything else
// inboxgate brings it again; 410 says that it need not.
func (a *app) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e, err := event.Parse(body)
	if err != nil {
		// inboxgate keeps such events in quarantine; they do not come from it.
		a.log.WarnContext(r.Context(), "not an event", "reason", event.Reason(err))
		w.WriteHeader(http.StatusGone)
		return
	}
	if err := a.once(r.Context(), e); err != nil {
		a.log.ErrorContext(r.Context(), "event not handled", "event", e, "error", err.Error())
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// once handles an event unless it was handled before: after a crash in the
// middle of an attempt the same id comes again.
func (a *app) once(ctx context.Context, e event.Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.handled[e.ID] {
		a.log.InfoContext(ctx, "event known", "event", e)
		return nil
	}
	if err := a.handle(ctx, e); err != nil {
		return err
	}
	a.handled[e.ID] = true
	return nil
}

// handle is yours to write. The log has ids and no phone numbers.
func (a *app) handle(ctx context.Context, e event.Event) error {
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
