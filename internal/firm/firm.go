// Package firm keeps the answer to a refused request from being a success.
//
// Guarantee: whatever handlers write after a request was refused, the status that leaves
// is no 2xx but that of the refusal; also where they write nothing, of which net/http
// would make a 200. Any other answer passes untouched.
//
// Limits: an answer whose head was written before the refusal stays as it is.
package firm

import "net/http"

// Run calls serve with a writer for which that holds. refused returns the status that
// the request was refused with, 0 where it was not; it is asked at each write.
func Run(w http.ResponseWriter, refused func() int, serve func(http.ResponseWriter) error) error {
	f := &writer{ResponseWriter: w, refused: refused}
	err := serve(f)
	if status := refused(); err == nil && status != 0 && !f.wrote {
		f.WriteHeader(status)
	}
	return err
}

// writer writes the status of the refusal where a refused request is answered
// with a 2xx. It has no ReadFrom, which would write a 2xx past it.
type writer struct {
	http.ResponseWriter
	refused func() int // The status of the refusal, 0 for none.
	wrote   bool       // The head is written.
}

func (w *writer) WriteHeader(status int) {
	if status/100 == 2 {
		if no := w.refused(); no != 0 {
			status = no
		}
	}
	w.wrote = w.wrote || status >= 200
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(p []byte) (int, error) {
	w.head()
	return w.ResponseWriter.Write(p)
}

// FlushError is what a http.ResponseController calls, instead of the inner one.
func (w *writer) FlushError() error {
	w.head()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// head writes the head of a refusal before its body. That of any other answer is
// written by what is inside: a second WriteHeader would set Caddy's deadline twice.
func (w *writer) head() {
	if w.wrote {
		return
	}
	w.wrote = true
	if status := w.refused(); status != 0 {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
