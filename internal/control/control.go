// Package control is what an operator may do with a store while it works: look
// into its log, send events again, let dead letters and quarantined bodies go,
// hold routes, and copy it. It is served as a small HTTP API of JSON, which
// openapi.json describes, and Client calls it.
//
// Guarantee: a call that changes something is durable when it is answered, and has a
// line in Options.Audit. Every call, to look as well as to change, needs the token
// unless it comes over a Unix socket or from this machine. Phone numbers are masked in
// all JSON unless the caller asks to have them revealed.
//
// Limits: a replay by filter runs as long as its request; a caller that goes
// away ends it, and what was sent again by then stays so.
package control

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/inboxgate/inboxgate/internal/minutes"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// Prefix begins every path of the API.
const Prefix = "/inbox/"

// Options are what an API works with.
type Options struct {
	Store spool.Store
	// Token is what callers from other machines must show. Without one they are
	// refused.
	Token string
	// Configured returns the routes that are configured; others are parked unless
	// another member of the store serves them.
	Configured func() map[spool.RouteKey]bool
	// Pace returns how fast a configured route goes. Default: as fast as it can.
	Pace func(spool.RouteKey) Pace
	// Route returns what the configuration has of a route. Default: nothing.
	Route func(spool.RouteKey) RouteConfig
	// Minutes is what the process did in its last hour. Default: nothing.
	Minutes *minutes.Hour
	// Streams bounds how many streams of events there are at once, by its capacity; each
	// is an element. Default: 32 in the process.
	Streams chan struct{}
	// Done ends the streams when it is closed. Default: they end with their requests.
	Done <-chan struct{}
	// Ended calls f with the number of an event when a delivery of it has ended in this
	// process, until stop. Default: such ends are found a little later, and of recent
	// events alone.
	Ended func(f func(seq int64)) (stop func())
	// Retry attempts now what waits for a route, up to the delivery numbered last, and
	// reports whether it does: not of a route that is held. Default: none can.
	Retry func(k spool.RouteKey, last int64) bool
	// Release accepts the event of a quarantine entry as the handler would, and returns
	// what it became. Where dryRun is set, it changes nothing.
	Release func(ctx context.Context, entry spool.Record, dryRun bool) (Released, error)
	// Key returns what orders an event on a configured route, empty for nothing: a
	// replay to a route that the event had no delivery for has it. Default: nothing.
	Key func(spool.RouteKey, *spool.Event) string
	// Database returns how the database is that holds the store. Default: none does.
	Database func() *Database
	// Instead returns what is to be used in place of a command, "backup" or "compact",
	// of a store that has no such call. Default: nothing is known.
	Instead func(command string) string
	// About returns what the process knows of itself. Default: nothing.
	About func() About
	// Audit gets a line for each change. Default: nothing is logged.
	Audit *slog.Logger
}

// api serves one store.
type api struct {
	Options
	mux    *http.ServeMux
	others elsewhere
}

// New returns the handler of the paths below Prefix.
func New(o Options) http.Handler {
	if o.Audit == nil {
		o.Audit = slog.New(slog.DiscardHandler)
	}
	if o.Configured == nil {
		o.Configured = func() map[spool.RouteKey]bool { return nil }
	}
	if o.Key == nil {
		o.Key = func(spool.RouteKey, *spool.Event) string { return "" }
	}
	if o.Retry == nil {
		o.Retry = func(spool.RouteKey, int64) bool { return false }
	}
	if o.Pace == nil {
		o.Pace = func(spool.RouteKey) Pace { return Pace{} }
	}
	if o.Minutes == nil {
		o.Minutes = minutes.New()
	}
	if o.Streams == nil {
		o.Streams = processStreams
	}
	a := &api{Options: o, mux: http.NewServeMux()}
	look := map[string]func(*request) (any, error){
		"GET /inbox/routes":  a.routes,
		"GET /inbox/store":   a.store,
		"GET /inbox/status":  a.status,
		"GET /inbox/minutes": a.minutes,
	}
	change := map[string]func(*request) (any, error){
		"POST /inbox/events/{ref}/replay":            a.replayOne,
		"POST /inbox/events/{ref}/discard":           a.discard,
		"POST /inbox/quarantine/{entry}/release":     a.release,
		"POST /inbox/quarantine/{entry}/discard":     a.discardEntry,
		"POST /inbox/routes/{source}/{route}/hold":   a.hold,
		"POST /inbox/routes/{source}/{route}/resume": a.resume,
		"POST /inbox/routes/{source}/{route}/retry":  a.retry,
	}
	long := map[string]func(*request, *stream) error{
		"POST /inbox/replay":             a.replay,
		"POST /inbox/quarantine/release": a.releaseAll,
		"POST /inbox/quarantine/discard": a.discardEntries,
		"POST /inbox/dead/discard":       a.discardAll,
		"POST /inbox/store/compact":      a.compact,
	}
	for pattern, f := range look {
		a.mux.HandleFunc(pattern, a.answer(false, f))
	}
	for pattern, f := range change {
		a.mux.HandleFunc(pattern, a.answer(true, f))
	}
	for pattern, f := range long {
		a.mux.HandleFunc(pattern, a.follow(f))
	}
	a.handleLog()
	a.mux.HandleFunc("GET /inbox/store/backup", a.backup)
	a.mux.HandleFunc("GET /inbox/events/stream", a.streamEvents)
	a.mux.HandleFunc("GET /inbox/openapi.json", serveDescription)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !a.request(r).trusted {
		refuseStranger(w)
		return
	}
	if _, pattern := a.mux.Handler(r); pattern == "" {
		// The mux knows an unknown path from a wrong method, but answers in plain text.
		probe := &plain{ResponseWriter: w}
		a.mux.ServeHTTP(probe, r)
		status := probe.status
		writeError(w, &Error{Status: status, Message: http.StatusText(status) + ": see " + Prefix + "openapi.json for what there is"})
		return
	}
	a.mux.ServeHTTP(w, r)
}

// plain is an http.ResponseWriter that keeps only the status.
type plain struct {
	http.ResponseWriter
	status int
}

func (p *plain) WriteHeader(status int)      { p.status = status }
func (p *plain) Write(b []byte) (int, error) { return len(b), nil }

// within bounds a call whose answer is one JSON value.
const within = 30 * time.Second
