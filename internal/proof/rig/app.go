package rig

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/testapp"
)

// Behaviour answers one attempt; its body was read and noted. It may hang until
// the request's context ends, or panic with http.ErrAbortHandler to cut the
// answer.
type Behaviour func(w http.ResponseWriter, r *http.Request, a *history.Attempt)

// App is an app behind one route. It can be stopped, and started again at the
// same address.
type App struct {
	testapp.Server

	t     testing.TB
	log   *history.Log
	route Route
	all   context.Context // of the test

	mu     sync.Mutex
	behave Behaviour
}

func newApp(t testing.TB, l *history.Log, host string, route Route) *App {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a := &App{t: t, log: l, route: route, behave: route.Behave, all: ctx}
	a.Addr, a.Handler = freeAddress(t, host), http.HandlerFunc(a.take)
	a.Failed = func(err error) { l.Fault("the app of %s ended: %v", route.Name, err) }
	t.Cleanup(func() {
		a.Cut()
		cancel()
		a.Wait()
	})
	return a
}

// Behave changes how it answers from now on; nil is the route's Work and a 200.
func (a *App) Behave(b Behaviour) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.behave = b
}

// Start listens, unless it does already.
func (a *App) Start() {
	a.t.Helper()
	if err := a.Server.Start(); err != nil {
		a.t.Fatal(err)
	}
}

// Stop closes the listener at once; what has begun is answered. It does not wait for
// that, because a behaviour may hang.
func (a *App) Stop() {
	ctx, cancel := context.WithTimeout(a.all, proctest.Patience)
	answered := a.Leave(ctx)
	go func() {
		defer cancel()
		<-answered //nolint:errcheck // A behaviour that hangs is cut.
	}()
}

func (a *App) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // The process went away while it sent.
	}
	attempt := a.log.Arrived(a.route.Name, r, body)
	a.mu.Lock()
	behave := a.behave
	a.mu.Unlock()
	if behave == nil {
		behave = a.work
	}
	rec := &recorder{ResponseWriter: w}
	defer func() {
		if p := recover(); p != nil {
			attempt.Ended(0, errors.New("the app cut its answer"))
			panic(p)
		}
	}()
	behave(rec, r, attempt)
	if rec.bare {
		attempt.Ended(http.StatusOK, errBare)
		return
	}
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
	err = http.NewResponseController(w).Flush()
	if err == nil {
		err = r.Context().Err()
	}
	attempt.Ended(rec.status, err)
}

func (a *App) work(w http.ResponseWriter, r *http.Request, _ *history.Attempt) {
	if a.route.Work > 0 {
		select {
		case <-time.After(rand.N(a.route.Work)):
		case <-r.Context().Done():
		}
	}
	Answer(http.StatusOK, "OK")(w, r, nil)
}

// Answer is a behaviour that answers with a status and a short text.
func Answer(status int, text string) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request, _ *history.Attempt) {
		if status != http.StatusNoContent {
			w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		}
		w.WriteHeader(status)
		if status != http.StatusNoContent {
			_, _ = io.WriteString(w, text)
		}
	}
}

// errBare: a behaviour answered 2xx on the bare connection, and returned.
var errBare = errors.New("nobody can say whether the answer was seen whole")

// recorder keeps the status that a behaviour wrote.
type recorder struct {
	http.ResponseWriter
	status int
	bare   bool // the behaviour took the connection
}

// Hijack is for http.ResponseController.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.bare = true
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
