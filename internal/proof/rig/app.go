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
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
)

// Behaviour answers one attempt; its body was read and noted. It may hang until
// the request's context ends, or panic with http.ErrAbortHandler to cut the
// answer.
type Behaviour func(w http.ResponseWriter, r *http.Request, a *history.Attempt)

// App is an app behind one route. It can be stopped, and started again at the
// same address.
type App struct {
	// Addr is where it listens.
	Addr string

	t     testing.TB
	log   *history.Log
	route Route

	mu     sync.Mutex
	behave Behaviour

	server *http.Server
	all    context.Context // of the test
	ended  sync.WaitGroup  // of what Stop has begun
}

func newApp(t testing.TB, l *history.Log, route Route) *App {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a := &App{Addr: proctest.FreeAddress(t), t: t, log: l, route: route, behave: route.Behave, all: ctx}
	t.Cleanup(func() {
		a.Cut()
		cancel()
		a.ended.Wait()
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
	if a.server != nil {
		return
	}
	l, err := listen(a.Addr)
	if err != nil {
		a.t.Fatal(err)
	}
	a.server = &http.Server{Handler: http.HandlerFunc(a.take), ReadHeaderTimeout: proctest.Patience}
	go func(s *http.Server) {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.log.Fault("the app of %s ended: %v", a.route.Name, err)
		}
	}(a.server)
}

// listen listens at an address that was free a moment ago. A process that another test
// is starting may hold a copy of the socket that found it free, until it is the new
// program.
func listen(addr string) (l net.Listener, err error) {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		l, err = net.Listen("tcp", addr)
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(end) {
			return l, err
		}
	}
}

// Stop closes the listener at once; what has begun is answered. It does not wait
// for idle connections, which last as long as the other side.
func (a *App) Stop() {
	if a.server == nil {
		return
	}
	s, listening := a.server, make(chan struct{})
	a.server = nil
	s.RegisterOnShutdown(func() { close(listening) })
	a.ended.Go(func() {
		ctx, cancel := context.WithTimeout(a.all, proctest.Patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			_ = s.Close() // A behaviour that hangs holds its connection.
		}
	})
	<-listening // The callbacks run once the listeners are closed.
}

// Cut closes the listener and every connection at once.
func (a *App) Cut() {
	if a.server != nil {
		_ = a.server.Close()
		a.server = nil
	}
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
