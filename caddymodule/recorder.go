package caddymodule

import (
	"net/http"
)

// recorder is a ResponseWriter that knows what was explicitly written, and
// keeps the start of the body. It never fails a write: a handler that meets a
// write error would report that, and not what the upstream said.
type recorder struct {
	header http.Header
	status int // 0 until a final status was written.
	kept   []byte
	limit  int
	seen   int64
	// tooMuch, if set, is called once when more than drained bytes have come.
	tooMuch func()
	full    bool
}

func newRecorder(limit int) *recorder {
	return &recorder{header: make(http.Header), limit: limit}
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if room := r.limit - len(r.kept); room > 0 {
		r.kept = append(r.kept, p[:min(room, len(p))]...)
	}
	r.seen += int64(len(p))
	if r.seen > drained && !r.full && r.tooMuch != nil {
		r.full = true
		r.tooMuch()
	}
	return len(p), nil
}

// Flush is there because handlers look for it; there is nothing to flush.
func (r *recorder) Flush() {}
