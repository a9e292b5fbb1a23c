package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// errCut is what Caddy's handlers panic with when an answer ends too early.
var errCut = errors.New("the answer was cut short")

// runHandler runs h and turns the one panic that is an outcome into an error.
func runHandler(h caddyhttp.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			err = errCut
		default:
			panic(p)
		}
	}()
	return h.ServeHTTP(w, r)
}

// overdue is what a handler gets to return after its context has ended.
const overdue = time.Second

var errDeaf = errors.New("the handlers went on after their time was over")

// runBounded is runHandler for handlers that may not heed their context, as the
// fastcgi transport does not. Left alone, they keep rec and the request.
func runBounded(ctx context.Context, h caddyhttp.Handler, rec *recorder, r *http.Request) (left bool, err error) {
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
	timer := time.NewTimer(overdue)
	defer timer.Stop()
	select {
	case e := <-done:
		return finish(e)
	case <-timer.C:
		return true, errDeaf
	}
}

// runHere is runBounded for handlers that do heed their context.
func runHere(_ context.Context, h caddyhttp.Handler, rec *recorder, r *http.Request) (left bool, err error) {
	return false, runHandler(h, rec, r)
}
