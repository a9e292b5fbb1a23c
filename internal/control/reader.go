package control

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// NewReader returns a client that reads a log itself: that of a store which no process
// uses. Calls that change something fail.
func NewReader(l spool.Log) *Client {
	a := &api{Options: Options{Store: logOnly{log: l}, Configured: func() map[spool.RouteKey]bool { return nil }}, mux: http.NewServeMux()}
	a.handleLog()
	return &Client{http: &http.Client{Transport: inProcess{a}}, base: "http://store", at: "the store"}
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
		"GET /inbox/quarantine":         a.quarantine,
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

// inProcess is a transport that calls a handler as a caller on this machine would.
type inProcess struct{ h http.Handler }

func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.UnixAddr{Net: "unix"}))
	w := &kept{status: http.StatusOK, header: http.Header{}}
	t.h.ServeHTTP(w, r.WithContext(ctx))
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(w.body.Len()), Body: io.NopCloser(&w.body),
	}, nil
}

// kept is an http.ResponseWriter that keeps an answer in memory: one page, or one
// event.
type kept struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(b []byte) (int, error) { return k.body.Write(b) }
