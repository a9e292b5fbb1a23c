package caddymodule

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/deliver"
)

// localhost may name ::1 first, where the app does not listen.
func TestLocalhostIsFound(t *testing.T) {
	t.Parallel()
	app, _ := well(t, false) // On 127.0.0.1 alone.
	chain := route(t, strings.Replace(strings.TrimPrefix(app, "http://"), "127.0.0.1", "localhost", 1))
	if got := chain.Attempt(context.Background(), attemptOf([]byte("{}"))); got.Status != 200 {
		t.Errorf("reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
	}
}

// An app that starts anew makes its socket anew.
func TestSocketMadeAnew(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "sock") //nolint:usetesting // A socket's path is short.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "app.sock")
	listen := func() *httptest.Server {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })}}
		s.Start()
		return s
	}
	chain := route(t, "unix/"+path)
	want := func(reach deliver.Reach) {
		t.Helper()
		if got := chain.Attempt(context.Background(), attemptOf([]byte("{}"))); got.Reach != reach {
			t.Fatalf("reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
		}
	}
	first := listen()
	want(deliver.Answered)
	first.Close()
	want(deliver.Unreached)
	second := listen()
	defer second.Close()
	want(deliver.Answered)
}

// The policy works in a reverse_proxy of one's own, and without it nothing is tried
// again there.
func TestHandleOfOnesOwn(t *testing.T) {
	t.Parallel()
	app, _ := well(t, false)
	app = strings.TrimPrefix(app, "http://")
	own := func(more string) *chain {
		return proxyTo(t, `{"handler":"reverse_proxy",`+more+`"upstreams":[{"dial":"`+refusing(t)+`"},{"dial":"`+app+`"}]}`)
	}
	unreached := func(c *chain) (n int) {
		for range 20 {
			if got := c.Attempt(context.Background(), attemptOf([]byte("{}"))); got.Reach == deliver.Unreached {
				n++
			}
		}
		return n
	}
	if n := unreached(own(`"load_balancing":{"selection_policy":{"policy":"inbox_in_turn"}},`)); n != 0 {
		t.Errorf("%d of 20 attempts reached nobody", n)
	}
	if n := unreached(own(`"load_balancing":{"selection_policy":{"policy":"round_robin"}},`)); n != 10 {
		t.Errorf("%d of 20 attempts reached nobody: what the operator said is not done", n)
	}
}

// An answer that goes on holds its attempt for no longer than lingering.
func TestEndlessAnswerIsLeft(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		drip := time.NewTicker(time.Millisecond)
		defer drip.Stop()
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			<-drip.C
		}
	}))
	t.Cleanup(s.Close)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	got := proxyTo(t, proxy(strings.TrimPrefix(s.URL, "http://"))).Attempt(ctx, attemptOf([]byte("{}")))
	if got.Reach != deliver.Answered || got.Status != 200 || got.Err != nil || ctx.Err() != nil {
		t.Errorf("reach %d, status %d, error %v, %v", got.Reach, got.Status, got.Err, ctx.Err())
	}
}

// Handlers that do not end with their time have answered all the same.
func TestStatusOfHandlersThatGoOn(t *testing.T) {
	t.Parallel()
	// Asked for their status alone: the rest of the recorder is theirs.
	leave := make(chan struct{})
	t.Cleanup(func() { close(leave) })
	chain := proxyTo(t, `{"handler":"static_response"}`)
	chain.bounded = true
	chain.handler = handlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusAccepted)
		<-leave
		return nil
	})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if got := chain.Attempt(ctx, attemptOf([]byte("{}"))); got.Reach != deliver.Answered || got.Status != http.StatusAccepted {
		t.Errorf("reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
	}
}

type handlerFunc func(http.ResponseWriter, *http.Request) error

func (f handlerFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) error { return f(w, r) }
