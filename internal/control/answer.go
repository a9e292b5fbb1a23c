package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Error is an answer other than 200. Its message is for people.
type Error struct {
	// Status is the HTTP status.
	Status  int    `json:"-"`
	Message string `json:"error"`
}

func (e *Error) Error() string { return e.Message }

// bad returns the error for a call that makes no sense.
func bad(message string) error { return &Error{http.StatusBadRequest, message} }

// request is one call of the API.
type request struct {
	*http.Request
	// trusted reports whether the caller may change things and see phone numbers.
	trusted bool
}

// reveal reports whether phone numbers were asked for. It fails for a caller that may
// not see them.
func (r *request) reveal() (bool, error) {
	if v := r.URL.Query().Get("reveal"); v == "" || v == "false" || v == "0" {
		return false, nil
	}
	return true, r.needTrust()
}

// needTrust refuses callers that are not trusted.
func (r *request) needTrust() error {
	if r.trusted {
		return nil
	}
	return errUntrusted
}

var errUntrusted = &Error{http.StatusUnauthorized, "this needs the admin token: set INBOX_ADMIN_TOKEN for inboxgate and for the caller, or call from the same machine"}

// RefuseStranger answers a request without the token with 401, and reports whether it
// did. An empty token is nobody's.
func RefuseStranger(w http.ResponseWriter, r *http.Request, token string) bool {
	if hasToken(r, token) {
		return false
	}
	refuseStranger(w)
	return true
}

func refuseStranger(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	writeError(w, errUntrusted)
}

func (a *api) request(r *http.Request) *request {
	inside, _ := r.Context().Value(trustedKey{}).(bool)
	return &request{Request: r, trusted: inside || near(r) || hasToken(r, a.Token)}
}

// near reports whether a request came over a Unix socket, or from and to an address of
// this machine alone. A browser on this machine may send what any page asks it to, so
// what bears an origin is not near.
func near(r *http.Request) bool {
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return false
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return false
	}
	if local.Network() == "unix" {
		return true
	}
	return loopback(local.String()) && loopback(r.RemoteAddr)
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// hasToken reports whether a request shows the token, which must not be empty.
func hasToken(r *http.Request, token string) bool {
	shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return false
	}
	// Hashed, so that not even the length shows.
	got, want := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// answer serves a call whose answer is one JSON value. Where change is set, the caller
// must be trusted.
func (a *api) answer(change bool, f func(*request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		ctx, cancel := context.WithTimeout(hr.Context(), within)
		defer cancel()
		r := a.request(hr.WithContext(ctx))
		var v any
		err := error(nil)
		if change {
			err = r.needTrust()
		}
		if err == nil {
			v, err = f(r)
		}
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, v)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		status, raw = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(raw, '\n'))
}

func writeError(w http.ResponseWriter, err error) {
	e := asError(err)
	writeJSON(w, e.Status, e)
}

// asError returns the answer to an error of this package or of a store.
func asError(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, spool.ErrNotFound):
		return &Error{http.StatusNotFound, "not found: it may have left the log by its age"}
	case errors.Is(err, spool.ErrUnavailable), errors.Is(err, spool.ErrClosed), errors.Is(err, spool.ErrFull):
		return &Error{http.StatusServiceUnavailable, err.Error()}
	case errors.Is(err, spool.ErrBusy):
		return &Error{http.StatusConflict, err.Error()}
	case errors.Is(err, spool.ErrNoRoom):
		return &Error{http.StatusInsufficientStorage, err.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{http.StatusGatewayTimeout, "the store did not answer in time"}
	}
	return &Error{http.StatusInternalServerError, err.Error()}
}
