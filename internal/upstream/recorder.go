package upstream

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

// Recorder is a ResponseWriter that knows what was explicitly written, and
// keeps the start of the body. It never fails a write: a handler that meets a
// write error would report that, and not what the upstream said.
//
// It belongs to the handlers until they have ended.
type Recorder struct {
	header http.Header
	status int // 0 until a final status was written.
	// final is status, for a reader that does not wait for the handlers to end.
	final atomic.Int32
	kept  []byte // The start of the body,
	limit int    // of so many bytes at most.
	seen  int64  // Bytes of the body so far.
	// enough, if set, is called when more than drained bytes have come, or when
	// the body goes on for longer than lingering.
	enough func()
	full   bool        // enough was called for the body's size.
	linger *time.Timer // Set with status where enough is.
}

// NewRecorder returns a Recorder that keeps limit bytes of the body.
func NewRecorder(limit int) *Recorder {
	return &Recorder{header: make(http.Header), limit: limit}
}

// Header returns the header of the answer.
func (r *Recorder) Header() http.Header { return r.header }

// Status returns the final status that was written, 0 if none was.
func (r *Recorder) Status() int { return r.status }

// Body returns the start of the body, and reports whether that is all of it.
func (r *Recorder) Body() (start []byte, whole bool) { return r.kept, r.seen == int64(len(r.kept)) }

// WriteHeader implements http.ResponseWriter.
func (r *Recorder) WriteHeader(status int) {
	if r.status != 0 || status < 200 {
		return
	}
	r.status = status
	r.final.Store(int32(status))
	if r.enough != nil {
		r.linger = time.AfterFunc(lingering, r.enough)
	}
}

// Write implements http.ResponseWriter.
func (r *Recorder) Write(p []byte) (int, error) {
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
func (r *Recorder) Flush() {}
