package event

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// bodyWithin is how long a body may take to come.
const bodyWithin = 5 * time.Second

// read returns the body, or the status to refuse the request with.
func (h *handler) read(w http.ResponseWriter, r *http.Request) ([]byte, int) {
	// Before anything is refused: the server reads on what was not read before it
	// sends an answer.
	limitRead(w, r)
	switch {
	case r.Method != http.MethodPost:
		return nil, http.StatusMethodNotAllowed
	case r.ContentLength > h.maxBody:
		return nil, http.StatusRequestEntityTooLarge
	case r.Body == nil:
		return nil, 0
	}
	var buf bytes.Buffer
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, h.maxBody))
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case err == nil:
		return buf.Bytes(), 0
	case tooLarge:
		return nil, http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, http.StatusRequestTimeout
	}
	return nil, http.StatusBadRequest
}

// limitRead bounds the time for a body, unless the server does so more strictly.
// Once the body has been read, net/http lifts the deadline by itself.
func limitRead(w http.ResponseWriter, r *http.Request) {
	s, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	if s != nil && s.ReadTimeout > 0 && s.ReadTimeout <= bodyWithin {
		return
	}
	// A server that knows no deadlines has only limits of its own.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWithin))
}

// refuse answers what is not from the platform, or not for us.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, status int, err error) {
	if h.refused.pick(time.Now()) {
		reason := http.StatusText(status)
		if err != nil {
			reason = err.Error()
		}
		h.log().WarnContext(r.Context(), "request refused", "status", status, "reason", reason)
	}
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	answer{status: status}.write(w)
}

// sampler picks one a second, so that strangers cannot fill a log.
type sampler struct{ last atomic.Int64 }

func (s *sampler) pick(now time.Time) bool {
	last := s.last.Load()
	return now.UnixNano()-last >= int64(time.Second) && s.last.CompareAndSwap(last, now.UnixNano())
}

// answer is what a request gets.
type answer struct {
	status         int
	result, reason string // public words; may be empty
}

func (a answer) write(w http.ResponseWriter) {
	head := w.Header()
	if a.result != "" {
		head.Set("X-Inbox-Result", a.result)
	}
	if a.reason != "" {
		head.Set("X-Inbox-Reason", a.reason)
	}
	if a.status == http.StatusServiceUnavailable {
		head.Set("Retry-After", "10") // seconds
	}
	head.Set("Content-Type", "text/plain; charset=utf-8")
	head.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, http.StatusText(a.status))
}

// stale says why an event is too old or too new to be judged by ids that are
// forgotten after a window, or nothing. An eighth of the window is left for the
// clocks: what is created that far ahead is stale before its id is forgotten.
func (h *handler) stale(created time.Time) string {
	ids, forgets := h.ids.(interface{ Window() time.Duration })
	if !forgets || h.gate || created.IsZero() {
		return ""
	}
	window := ids.Window()
	switch age := time.Since(created); {
	case age >= window-window/8:
		return "created before the window"
	case age <= -window/8:
		return "created too far in the future"
	}
	return ""
}

// replay returns which replay of an operator the request is, empty if none.
func (h *handler) replay(r *http.Request) string {
	n := r.Header.Get("X-Inbox-Replay")
	if !h.gate || len(n) > len("2147483647") {
		return ""
	}
	for _, c := range n {
		if c < '0' || c > '9' {
			return ""
		}
	}
	return n
}
