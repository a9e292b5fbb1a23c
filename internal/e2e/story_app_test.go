package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// poisonMessage is what the app cannot take until it is mended.
const poisonMessage = "msg_poison"

// storyApp fails, recovers, and cannot take one event until it is mended.
type storyApp struct {
	addr   string
	server *http.Server

	mu      sync.Mutex
	ids     map[string]bool
	mended  bool
	changed chan struct{} // Closed and replaced with each arrival.
	poison  http.Header   // How it came when it was taken.
}

func newStoryApp(t testing.TB) *storyApp {
	a := &storyApp{addr: proctest.FreeAddress(t), ids: map[string]bool{}, changed: make(chan struct{})}
	t.Cleanup(a.stop)
	return a
}

func (a *storyApp) start(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	a.server = &http.Server{Handler: a}
	go func(s *http.Server) {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the app ended: %v", err)
		}
	}(a.server)
}

// stop answers what has begun, so that nothing is delivered twice.
func (a *storyApp) stop() {
	if a.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), proctest.Patience)
	defer cancel()
	_ = a.server.Shutdown(ctx)
	a.server = nil
}

func (a *storyApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if bytes.Contains(body, []byte(poisonMessage)) {
		if !a.mended {
			http.Error(w, "no such button", http.StatusInternalServerError)
			return
		}
		a.poison = r.Header.Clone()
	} else {
		a.ids[r.Header.Get("X-Inbox-Event-Id")] = true
	}
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *storyApp) mend() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mended = true
}

// await returns once yes, which is asked after each arrival.
func (a *storyApp) await(t testing.TB, what string, yes func() bool) {
	t.Helper()
	timeout := time.NewTimer(proctest.Patience)
	defer timeout.Stop()
	for {
		a.mu.Lock()
		ok, changed, n := yes(), a.changed, len(a.ids)
		a.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("the app has %d events and waits for %s", n, what)
		}
	}
}

func (a *storyApp) awaitIDs(t testing.TB, n int) {
	t.Helper()
	a.await(t, strconv.Itoa(n)+" events", func() bool { return len(a.ids) == n })
}

func (a *storyApp) awaitPoison(t testing.TB) (h http.Header) {
	t.Helper()
	a.await(t, "the poison event", func() bool { h = a.poison; return h != nil })
	return h
}
