package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/sidecar/sidecartest"
)

// e2eApp is an app behind one route. It can be stopped, and started again at
// the same address.
type e2eApp struct {
	route, addr string
	ledger      *e2eLedger
	// work is how long an answer takes at most, so that a kill meets attempts
	// on their way.
	work time.Duration

	server *http.Server
	ended  sync.WaitGroup // of what stop has begun
}

func newE2EApp(t *testing.T, l *e2eLedger, route string, work time.Duration) *e2eApp {
	t.Helper()
	a := &e2eApp{route: route, addr: e2eAddress(t), ledger: l, work: work}
	t.Cleanup(func() {
		if a.server != nil {
			_ = a.server.Close()
		}
		a.ended.Wait()
	})
	return a
}

// start listens, unless it does already.
func (a *e2eApp) start(t *testing.T) {
	t.Helper()
	if a.server != nil {
		return
	}
	a.ended.Wait()
	l, err := net.Listen("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	a.server = &http.Server{Handler: http.HandlerFunc(a.take)}
	go func(s *http.Server) {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.ledger.fault("the app of %s ended: %v", a.route, err)
		}
	}(a.server)
}

// stop closes the listener at once; what has begun is answered. It does not wait
// for idle connections, which last as long as the other side.
func (a *e2eApp) stop() {
	if a.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sidecartest.Patience)
	s, listening := a.server, make(chan struct{})
	a.server = nil
	s.RegisterOnShutdown(func() { close(listening) })
	a.ended.Go(func() {
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			a.ledger.fault("the app of %s does not end: %v", a.route, err)
		}
	})
	<-listening // The callbacks run once the listeners are closed.
}

func (a *e2eApp) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // The process was killed while it sent.
	}
	a.ledger.arrived(a.route, r, body)
	if a.work > 0 {
		select {
		case <-time.After(rand.N(a.work)):
		case <-r.Context().Done():
		}
	}
	_, _ = io.WriteString(w, "OK")
}

// e2eAddress is a port that stays free while nobody listens on it: connections
// to other ports are given none below 32768 as their own end.
func e2eAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+rand.N(10000))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no free port between 20000 and 30000")
	return ""
}

// e2eCaddyfile has two routes. Each attempt carries the number of the process
// that makes it.
func e2eCaddyfile(listen string, all, oncall *e2eApp) string {
	route := func(types string, a *e2eApp) string {
		return fmt.Sprintf(`		on %s {
			name %s
			retry 1s 1s 2s 2s 5s
			handle {
				reverse_proxy %s {
					header_up %s {env.E2E_ROUND}
				}
			}
		}
`, types, a.route, a.addr, e2eRound)
	}
	return fmt.Sprintf(`{
	admin off
	persist_config off
}

http://%s {
	inbox_webhook /webhooks/inbox {
%s%s	}
	respond 404
}
`, listen, route("message.*", all), route("message.failed", oncall))
}
