package caddymodule

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/testapp"
)

const said200 = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"

// A kept connection that dies without a byte of an answer costs no attempt: the
// request goes out once more, on a fresh one. A fresh one that dies does.
func TestKeptConnectionThatDied(t *testing.T) {
	t.Parallel()
	fin := func(c *net.TCPConn) { c.Close() }
	rst := func(c *net.TCPConn) {
		_ = c.SetLinger(0)
		c.Close()
	}
	for name, c := range map[string]struct {
		// second ends a connection's second request; whole says that the request is
		// read before.
		second func(*net.TCPConn)
		whole  bool
		say    string // Before that.
		fresh  string // What any connection's first request gets but the very first.
		reach  deliver.Reach
		asked  int32 // Requests that the app has seen the start of.
	}{
		"closed":              {fin, true, "", said200, deliver.Answered, 3},
		"reset":               {rst, true, "", said200, deliver.Answered, 3},
		"reset, unread":       {rst, false, "", said200, deliver.Answered, 3},
		"closed, unread":      {fin, false, "", said200, deliver.Answered, 3},
		"a byte, then closed": {fin, true, "H", said200, deliver.Broken, 2},
		"a byte, then reset":  {rst, true, "HTTP/1.1 1", said200, deliver.Broken, 2},
		"hint, then closed":   {fin, true, "HTTP/1.1 103 Early Hints\r\n\r\n", said200, deliver.Broken, 2},
		"the fresh one dies":  {rst, true, "", "", deliver.Broken, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			chain := route(t, testapp.ByHand(t, func(conn *net.TCPConn, n int) {
				defer conn.Close()
				r := bufio.NewReader(conn)
				if readRequest(r) != nil {
					return
				}
				asked.Add(1)
				if n > 1 && c.fresh == "" {
					return
				}
				_, _ = io.WriteString(conn, said200)
				if _, err := r.Peek(1); err != nil {
					return
				}
				asked.Add(1)
				if c.whole && readRequest(r) != nil {
					return
				}
				_, _ = io.WriteString(conn, c.say)
				c.second(conn)
			}))
			body := make([]byte, 64<<10)
			if got := chain.Attempt(context.Background(), attemptOf(body)); got.Status != 200 {
				t.Fatalf("the first request: %+v", got)
			}
			got := chain.Attempt(context.Background(), attemptOf(body))
			if got.Reach != c.reach || asked.Load() != c.asked {
				t.Errorf("reach %d, status %d, error %v after %d requests; want reach %d after %d", got.Reach, got.Status, got.Err, asked.Load(), c.reach, c.asked)
			}
		})
	}
}

// One attempt after a dead kept connection takes a fresh one, not the next of many
// that are as dead: an app that dies of an event meets it twice, not 32 times.
func TestKeptConnectionsThatAllDie(t *testing.T) {
	t.Parallel()
	const many = 16
	var dying atomic.Bool
	var deaths atomic.Int32
	ready := make(chan struct{})
	var waiting atomic.Int32
	chain := route(t, testapp.ByHand(t, func(conn *net.TCPConn, _ int) {
		defer conn.Close()
		for r := bufio.NewReader(conn); readRequest(r) == nil; {
			if dying.Load() {
				deaths.Add(1)
				return
			}
			if waiting.Add(1) == many {
				close(ready)
			}
			<-ready // All at once, so that each has a connection of its own.
			_, _ = io.WriteString(conn, said200)
		}
	}))
	done := make(chan deliver.Answer)
	for range many {
		go func() { done <- chain.Attempt(context.Background(), attemptOf([]byte("{}"))) }()
	}
	for range many {
		if got := <-done; got.Status != 200 {
			t.Fatalf("filling the pool: %+v", got)
		}
	}
	dying.Store(true)
	if got := chain.Attempt(context.Background(), attemptOf([]byte("{}"))); got.Reach != deliver.Broken {
		t.Errorf("reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
	}
	if n := deaths.Load(); n != 2 {
		t.Errorf("the app died of it %d times", n)
	}
}

// A kept connection of HTTP/2 that dies is followed by a fresh one; one that hangs was
// reached.
func TestKeptConnectionOfHTTP2(t *testing.T) {
	t.Parallel()
	var s *httptest.Server
	var asked atomic.Int32
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch asked.Add(1) {
		case 2:
			go s.CloseClientConnections()
			<-r.Context().Done()
		case 4:
			<-r.Context().Done()
		}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	chain := trusting(t, s, strings.TrimPrefix(s.URL, "https://"))
	for range 2 {
		if got := chain.Attempt(context.Background(), attemptOf([]byte("{}"))); got.Reach != deliver.Answered || got.Status != 200 {
			t.Fatalf("reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
		}
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("the app was asked %d times", n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if got := chain.Attempt(ctx, attemptOf([]byte("{}"))); got.Reach != deliver.Broken {
		t.Errorf("one that hangs: reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
	}
}
