package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// refusedVar is the variable of a request that was refused: the status that it
// is refused with.
const refusedVar = appID + ".refused"

// refuses is Caddy's error for a request that is not stored. Whatever the site
// makes of it, the status stays no success.
func refuses(r *http.Request, status int, err error) error {
	caddyhttp.SetVar(r.Context(), refusedVar, status)
	return caddyhttp.Error(status, err)
}

// firm stands before the error routes of a server that has a webhook. A site may
// answer all of its errors with a page and 200; the platform would believe that,
// and never send the event again. The page stays, with our status.
type firm struct{}

// ServeHTTP holds the status of a request that was refused.
func (firm) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if status, ok := caddyhttp.GetVar(r.Context(), refusedVar).(int); ok {
		w = &firmWriter{ResponseWriter: w, status: status}
	}
	return next.ServeHTTP(w, r)
}

// firmWriter writes status where a 2xx is written. It has no ReadFrom, which
// would write a 2xx past it.
type firmWriter struct {
	http.ResponseWriter
	status int
	wrote  bool // The head is written.
}

func (w *firmWriter) WriteHeader(status int) {
	if status/100 == 2 {
		status = w.status
	}
	w.wrote = w.wrote || status >= 200
	w.ResponseWriter.WriteHeader(status)
}

func (w *firmWriter) Write(p []byte) (int, error) {
	w.head()
	return w.ResponseWriter.Write(p)
}

// FlushError is what a http.ResponseController calls, instead of the inner one.
func (w *firmWriter) FlushError() error {
	w.head()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *firmWriter) head() {
	if !w.wrote {
		w.WriteHeader(w.status)
	}
}

// Unwrap is for http.ResponseController.
func (w *firmWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Interface guard.
var _ caddyhttp.MiddlewareHandler = firm{}
