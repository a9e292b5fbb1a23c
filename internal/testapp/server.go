// Package testapp is an app behind inboxgate, whose arrivals a test can read. One
// App serves every test that needs no more than a port that takes events; its Server
// alone is for those that keep a record of their own, and for the demonstration.
//
// Guarantee: a request is in the record before it is answered, in the order of
// arrival, with the bytes that came. The server of a test has ended when the test
// ends.
//
// Limits: the record is kept in memory, with every body. It says what arrived, and
// not whether the gate has seen the answer: package proof/history does.
package testapp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// Patience is how long a stopping server waits for its answers, and a test for an
// arrival. It is long because the machine may be busy; no test passes because of it.
const Patience = 90 * time.Second

// Server is the web server of an app. It can be stopped, and started again at the
// same address.
type Server struct {
	// Addr is where it listens. If it is empty, the first Start takes a free port.
	Addr string
	// Handler answers the requests.
	Handler http.Handler
	// Configure, if set, changes each new server before it serves.
	Configure func(*http.Server)
	// Failed, if set, takes the error of a server that ended by itself.
	Failed func(error)

	mu     sync.Mutex
	server *http.Server   // nil while it is stopped; guarded by mu
	ended  sync.WaitGroup // what Start and Leave have begun
}

// Start listens, unless it does already.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return nil
	}
	addr := s.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := listen(addr)
	if err != nil {
		return err
	}
	s.Addr = l.Addr().String()
	server := &http.Server{
		Handler: s.Handler, ReadHeaderTimeout: Patience,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	if s.Configure != nil {
		s.Configure(server)
	}
	s.server = server
	s.ended.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			_ = l.Close()
			if s.Failed != nil {
				s.Failed(err)
			}
		}
	})
	return nil
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

// take returns the server that runs, which is the caller's from then on.
func (s *Server) take() *http.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	server := s.server
	s.server = nil
	return server
}

// Leave closes the port and returns. What has begun is answered meanwhile; then the
// channel gives nil, or the error of ctx if that ended first, which cuts the rest.
func (s *Server) Leave(ctx context.Context) (answered <-chan error) {
	done := make(chan error, 1)
	server := s.take()
	if server == nil {
		done <- nil
		return done
	}
	closed := make(chan struct{})
	server.RegisterOnShutdown(func() { close(closed) })
	s.ended.Go(func() {
		err := server.Shutdown(ctx)
		if err != nil {
			_ = server.Close()
		}
		done <- err
	})
	<-closed // The callbacks run once the listeners are closed.
	return done
}

// Stop closes the port and returns once all that has begun is answered.
func (s *Server) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return <-s.Leave(ctx)
}

// Cut closes the port and every connection at once.
func (s *Server) Cut() {
	if server := s.take(); server != nil {
		_ = server.Close()
	}
}

// Wait returns once everything has ended that Start and Leave have begun.
func (s *Server) Wait() { s.ended.Wait() }
