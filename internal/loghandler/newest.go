package loghandler

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
)

// Newest keeps the newest warning, or worse, of the handlers that it watches. The zero
// Newest has none.
type Newest struct {
	line atomic.Pointer[Line]
}

// Line is one record of a log.
type Line struct {
	At    time.Time
	Level slog.Level
	Text  string // The message and the attributes of the record itself, without those that are false or empty.
}

// Load returns the newest warning, nil if there was none. It is not to be changed.
func (n *Newest) Load() *Line { return n.line.Load() }

// Watch returns a handler that passes on to h what n looks at.
func (n *Newest) Watch(h slog.Handler) slog.Handler { return watching{h, n} }

type watching struct {
	slog.Handler
	newest *Newest
}

// Handle implements slog.Handler.
func (h watching) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		var b strings.Builder
		b.WriteString(r.Message)
		sep := ": "
		r.Attrs(func(a slog.Attr) bool {
			if text := a.Value.String(); text != "" && text != "false" {
				b.WriteString(sep + a.Key + " " + text)
				sep = ", "
			}
			return true
		})
		h.newest.line.Store(&Line{At: r.Time, Level: r.Level, Text: b.String()})
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h watching) WithAttrs(attrs []slog.Attr) slog.Handler {
	return watching{h.Handler.WithAttrs(attrs), h.newest}
}

// WithGroup implements slog.Handler.
func (h watching) WithGroup(name string) slog.Handler {
	return watching{h.Handler.WithGroup(name), h.newest}
}
