package upstream

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Handler is a handler as Caddy has them.
type Handler interface {
	ServeHTTP(w http.ResponseWriter, r *http.Request) error
}

// ErrCut is what becomes of the panic by which Caddy's handlers end an answer too
// early.
var ErrCut = errors.New("the answer was cut short")

// runHandler runs h and turns the one panic that is an outcome into an error.
func runHandler(h Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			err = ErrCut
		default:
			panic(p)
		}
	}()
	return h.ServeHTTP(w, r)
}

// Overdue is what a handler gets to return after its context has ended.
const Overdue = time.Second

var errDeaf = errors.New("the handlers went on after their time was over")

// RunBounded runs handlers that may go on after the end of their context, as the
// fastcgi transport does. left reports that they do: then they keep rec and the
// request, and only rec's final status may be read.
func RunBounded(ctx context.Context, h Handler, rec *Recorder, r *http.Request) (left bool, err error) {
	type end struct {
		err      error
		panicked any
	}
	done := make(chan end, 1)
	go func() {
		var e end
		defer func() {
			e.panicked = recover()
			done <- e
		}()
		e.err = runHandler(h, rec, r)
	}()
	finish := func(e end) (bool, error) {
		if e.panicked != nil {
			panic(e.panicked)
		}
		return false, e.err
	}
	select {
	case e := <-done:
		return finish(e)
	case <-ctx.Done():
	}
	timer := time.NewTimer(Overdue)
	defer timer.Stop()
	select {
	case e := <-done:
		return finish(e)
	case <-timer.C:
		return true, errDeaf
	}
}
