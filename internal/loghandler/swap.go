// Package loghandler has handlers of slog that outlive the log they write to, or look
// at what is written.
//
// Guarantee: they pass on every record that the handler behind them would take.
package loghandler

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// Swap is a slog.Handler whose target can be exchanged: a store lives longer than the
// configuration whose logger it began with. Handlers that were derived from it follow.
type Swap struct {
	target *atomic.Pointer[slog.Handler] // Shared with the derived ones.
	with   []func(slog.Handler) slog.Handler
}

// NewSwap returns a Swap with its first target.
func NewSwap(target slog.Handler) *Swap {
	h := &Swap{target: new(atomic.Pointer[slog.Handler])}
	h.Use(target)
	return h
}

// Use exchanges the target.
func (h *Swap) Use(target slog.Handler) { h.target.Store(&target) }

func (h *Swap) current() slog.Handler {
	t := *h.target.Load()
	for _, f := range h.with {
		t = f(t)
	}
	return t
}

// Enabled implements slog.Handler.
func (h *Swap) Enabled(ctx context.Context, l slog.Level) bool {
	return (*h.target.Load()).Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (h *Swap) Handle(ctx context.Context, r slog.Record) error {
	return h.current().Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *Swap) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.plus(func(t slog.Handler) slog.Handler { return t.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *Swap) WithGroup(name string) slog.Handler {
	return h.plus(func(t slog.Handler) slog.Handler { return t.WithGroup(name) })
}

func (h *Swap) plus(f func(slog.Handler) slog.Handler) slog.Handler {
	return &Swap{target: h.target, with: append(h.with[:len(h.with):len(h.with)], f)}
}
