package caddymodule

import (
	"runtime/debug"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/loghandler"
	"github.com/inboxgate/inboxgate/internal/metrics"
)

// about is what this process can say of itself.
func (a *App) about() control.About {
	v := control.About{Started: started, Accepted: metrics.Process().Accepts.LastMinute(time.Now()), Max: a.settings().MaxSize, LastWarning: lastWarning()}
	v.Version = version()
	for _, s := range a.sources.all() {
		if list := s.secrets.Set(); list != nil {
			list.Each(func(label string, ok bool) {
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

// warned keeps the newest warning of the app's log, of any configuration.
var warned loghandler.Newest

// lastWarning returns the newest line of the log that is a warning or worse, or nil.
func lastWarning() *control.Notice {
	line := warned.Load()
	if line == nil {
		return nil
	}
	return &control.Notice{At: line.At, Level: strings.ToLower(line.Level.String()), Text: line.Text}
}
