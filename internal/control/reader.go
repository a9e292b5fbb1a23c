package control

import (
	"context"
	"net/http"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// NewReader returns a client that reads a log itself: that of a store which no process
// uses. Calls that change something fail.
func NewReader(l spool.Log) *Client {
	a := &api{Options: Options{Store: logOnly{log: l}, Configured: func() map[spool.RouteKey]bool { return nil }}, mux: http.NewServeMux()}
	a.handleLog()
	c := Over(a.mux)
	c.at = "the store"
	return c
}

// handleLog adds the calls that need only the log.
func (a *api) handleLog() {
	for pattern, f := range map[string]func(*request) (any, error){
		"GET /inbox/events":             a.events,
		"GET /inbox/events/{ref}":       a.event,
		"GET /inbox/events/{ref}/logs":  a.logs,
		"GET /inbox/logs":               a.allLogs,
		"GET /inbox/dead":               a.dead,
		"GET /inbox/dead/groups":        a.deadGroups,
		"GET /inbox/counts":             a.counts,
		"GET /inbox/quarantine":         a.quarantine,
		"GET /inbox/quarantine/groups":  a.oddGroups,
		"GET /inbox/quarantine/{entry}": a.entry,
	} {
		a.mux.HandleFunc(pattern, a.answer(false, f))
	}
	a.mux.HandleFunc("GET /inbox/events/{ref}/raw", a.raw(a.findEvent))
	a.mux.HandleFunc("GET /inbox/quarantine/{entry}/raw", a.raw(a.findEntry))
}

// logOnly is a store that has only its log. The calls of handleLog need no more.
type logOnly struct {
	spool.Store
	log spool.Log
}

func (s logOnly) Records(ctx context.Context, q spool.Query) (spool.Page, error) {
	return s.log.Records(ctx, q)
}

func (s logOnly) Routes(ctx context.Context) ([]spool.RouteState, error) { return s.log.Routes(ctx) }
