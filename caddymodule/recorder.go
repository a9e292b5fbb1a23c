package caddymodule

import (
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// drained bounds how much of an answer is read, so that its connection can
	// be used again, before the connection is given up.
	drained = 1 << 20
	// lingering bounds for how long. The status has decided by then.
	lingering = time.Second
)

// recorder is a ResponseWriter that knows what was explicitly written, and
// keeps the start of the body. It never fails a write: a handler that meets a
// write error would report that, and not what the upstream said.
type recorder struct {
	header http.Header
	status int // 0 until a final status was written.
	// final is status, for those who may not wait for the handlers to end.
	final atomic.Int32
	kept  []byte
	limit int
	seen  int64
	// enough, if set, is called when more than drained bytes have come, or when
	// the body goes on for longer than lingering.
	enough func()
	full   bool
	linger *time.Timer // Set with status where enough is.
}

func newRecorder(limit int) *recorder {
	return &recorder{header: make(http.Header), limit: limit}
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status != 0 || status < 200 {
		return
	}
	r.status = status
	r.final.Store(int32(status))
	if r.enough != nil {
		r.linger = time.AfterFunc(lingering, r.enough)
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if room := r.limit - len(r.kept); room > 0 {
		r.kept = append(r.kept, p[:min(room, len(p))]...)
	}
	r.seen += int64(len(p))
	if r.seen > drained && !r.full && r.enough != nil {
		r.full = true
		r.enough()
	}
	return len(p), nil
}

// Flush is there because handlers look for it; there is nothing to flush.
func (r *recorder) Flush() {}
