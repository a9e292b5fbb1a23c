package caddymodule

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/metrics"
)

// about is what this process can say of itself.
func (a *App) about() control.About {
	v := control.About{Started: started, Accepted: metrics.Process().Accepts.LastMinute(time.Now()), Max: a.settings().MaxSize, LastWarning: lastNotice.Load()}
	v.Version = version()
	for _, s := range a.sources.all() {
		if list := s.verifier.Load(); list != nil {
			list.valid(func(label string, ok bool) {
				v.Secrets = append(v.Secrets, control.Secret{Source: s.Name, Secret: label, Valid: ok})
			})
		}
	}
	return v
}

// version is that of the program, or of its source where it has none.
func version() string {
	v, _ := caddy.Version()
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && info.Main.Version == "(devel)" {
			return s.Value[:min(len(s.Value), 12)]
		}
	}
	return info.Main.Version
}

// lastNotice is the newest line of the app's log that is a warning or worse.
var lastNotice atomic.Pointer[control.Notice]

// noticing keeps the newest warning of a log for those who ask how it is.
type noticing struct{ slog.Handler }

// Handle implements slog.Handler.
func (h noticing) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		var b strings.Builder
		b.WriteString(r.Message)
		sep := ": "
		r.Attrs(func(a slog.Attr) bool {
			fmt.Fprintf(&b, "%s%s %v", sep, a.Key, a.Value)
			sep = ", "
			return true
		})
		lastNotice.Store(&control.Notice{At: r.Time, Level: strings.ToLower(r.Level.String()), Text: b.String()})
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h noticing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return noticing{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h noticing) WithGroup(name string) slog.Handler { return noticing{h.Handler.WithGroup(name)} }
