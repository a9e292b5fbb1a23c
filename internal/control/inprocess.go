package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Over returns a client that calls an API of this process itself, as a caller that is
// trusted. Answers come as they are written, however long they are. A call ends with
// its context, and when its answer is closed.
func Over(h http.Handler) *Client {
	return &Client{http: &http.Client{Transport: inProcess{h}}, base: "http://inbox", at: "this process"}
}

// trustedKey is the key of a context's value that no request from outside can have.
type trustedKey struct{}

// inProcess is a transport that calls a handler as a caller on this machine would.
type inProcess struct{ h http.Handler }

// RoundTrip implements http.RoundTripper. The handler runs in a goroutine of its own,
// which has ended when the answer is closed.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), trustedKey{}, true))
	near, far := net.Pipe()
	w := &inAnswer{conn: far, header: http.Header{}, begun: make(chan struct{})}
	call := r.WithContext(ctx)
	if call.Body == nil {
		call.Body = http.NoBody
	}
	stop := context.AfterFunc(ctx, func() { _ = far.Close() })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		defer stop()
		w.serve(t.h, call)
	}()
	body := &inBody{Conn: near, broke: &w.broke, ended: ended, cancel: cancel}
	select {
	case <-w.begun:
	case <-ctx.Done():
		_ = body.Close()
		return nil, context.Cause(ctx)
	}
	length := int64(-1)
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil {
		length = n
	}
	return &http.Response{
		StatusCode: w.status, Status: fmt.Sprint(w.status, " ", http.StatusText(w.status)), Header: w.sent, Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: length, Body: body,
	}, nil
}

// inBody is what is read of an answer.
type inBody struct {
	net.Conn
	broke  *atomic.Bool
	ended  <-chan struct{}
	cancel func()
}

// Read reads what the handler has written.
func (b *inBody) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if errors.Is(err, io.EOF) && b.broke.Load() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close ends the call, and waits for its handler.
func (b *inBody) Close() error {
	b.cancel()
	_ = b.Conn.Close()
	<-b.ended
	return nil
}

// inAnswer is the http.ResponseWriter of a call. It is the handler's; status and sent do
// not change once begun is closed.
type inAnswer struct {
	conn   net.Conn
	header http.Header
	status int           // 0 before it is written
	sent   http.Header   // the header as it was when the status was written
	begun  chan struct{} // closed when status and sent are there
	broke  atomic.Bool   // the handler has not come to its end
}

// serve runs the handler. Where that panics its answer breaks off, as that of a server
// would.
func (a *inAnswer) serve(h http.Handler, r *http.Request) {
	a.broke.Store(true)
	defer func() {
		if v := recover(); v != nil && a.status == 0 {
			a.broke.Store(false)
			writeError(a, &Error{http.StatusInternalServerError, fmt.Sprint("the call failed: ", v)})
		}
		a.WriteHeader(http.StatusOK)
		_ = a.conn.Close()
	}()
	h.ServeHTTP(a, r)
	a.broke.Store(false)
}

// Header implements http.ResponseWriter.
func (a *inAnswer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *inAnswer) WriteHeader(status int) {
	if a.status != 0 {
		return
	}
	a.status, a.sent = status, a.header.Clone()
	close(a.begun)
}

// Write implements http.ResponseWriter.
func (a *inAnswer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.conn.Write(p)
}

// Flush implements http.Flusher.
func (a *inAnswer) Flush() { a.WriteHeader(http.StatusOK) }

// SetWriteDeadline is what http.ResponseController looks for.
func (a *inAnswer) SetWriteDeadline(t time.Time) error { return a.conn.SetWriteDeadline(t) }
