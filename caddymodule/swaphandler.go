package caddymodule

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// swapHandler is a slog.Handler whose target can be exchanged: the store lives
// longer than the configuration whose logger it began with.
type swapHandler struct {
	shared *sharedHandler
	with   []func(slog.Handler) slog.Handler
}

type sharedHandler struct {
	target atomic.Pointer[slog.Handler]
}

func (h *swapHandler) use(target slog.Handler) { h.shared.target.Store(&target) }

func (h *swapHandler) current() slog.Handler {
	t := *h.shared.target.Load()
	for _, f := range h.with {
		t = f(t)
	}
	return t
}

func (h *swapHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return (*h.shared.target.Load()).Enabled(ctx, l)
}

func (h *swapHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.current().Handle(ctx, r)
}

func (h *swapHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.plus(func(t slog.Handler) slog.Handler { return t.WithAttrs(attrs) })
}

func (h *swapHandler) WithGroup(name string) slog.Handler {
	return h.plus(func(t slog.Handler) slog.Handler { return t.WithGroup(name) })
}

func (h *swapHandler) plus(f func(slog.Handler) slog.Handler) slog.Handler {
	return &swapHandler{shared: h.shared, with: append(h.with[:len(h.with):len(h.with)], f)}
}
