package caddymodule

import (
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

// well is an app that answers 200 and counts. Its address has the scheme.
func well(t *testing.T, secure bool) (address string, got *atomic.Int32) {
	t.Helper()
	got = new(atomic.Int32)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got.Add(1)
	}))
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.URL, got
}

// One attempt goes to one address after another while nothing was sent.
func TestAddressesInTurn(t *testing.T) {
	t.Parallel()
	hang := func() string { addr, _ := hanging(t); return addr }
	for name, broken := range map[string][2]string{
		"refused":      {refusing(t), refusing(t)},
		"no such name": {"nowhere.invalid:80", "nobody.invalid:80"},
		"no socket":    {"unix//nowhere/a.sock", "unix//nowhere/b.sock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app, got := well(t, false)
			app = strings.TrimPrefix(app, "http://")
			chain := route(t, broken[0], app, broken[1])
			for n := range 12 {
				if a := chain.Attempt(context.Background(), attemptOf([]byte("{}"))); a.Reach != deliver.Answered || a.Status != 200 {
					t.Fatalf("attempt %d: reach %d, status %d, error %v", n, a.Reach, a.Status, a.Err)
				}
			}
			if got.Load() != 12 {
				t.Errorf("%d requests at the one that is well", got.Load())
			}
		})
	}
	for name, broken := range map[string]func() string{
		"refused":           func() string { return refusing(t) },
		"hangs before TLS":  hang,
		"no TLS":            func() string { return says(t, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		"closed before TLS": func() string { return testapp.ByHand(t, func(c *net.TCPConn, _ int) { c.Close() }) },
		"wrong certificate": func() string {
			a, _ := well(t, true)
			return strings.Replace(strings.TrimPrefix(a, "https://"), "127.0.0.1", "localhost", 1)
		},
		"hangs in the middle": func() string {
			return testapp.ByHand(t, func(c *net.TCPConn, _ int) { _, _ = c.Write([]byte{22, 3, 3}); t.Cleanup(func() { c.Close() }) })
		},
	} {
		t.Run("TLS, "+name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
			t.Cleanup(s.Close)
			chain := trusting(t, s, broken(), strings.TrimPrefix(s.URL, "https://"), broken())
			for n := range 12 {
				if a := chain.Attempt(context.Background(), attemptOf([]byte("{}"))); a.Reach != deliver.Answered || a.Status != 200 {
					t.Fatalf("attempt %d: reach %d, status %d, error %v", n, a.Reach, a.Status, a.Err)
				}
			}
		})
	}
}

// trusting is a route to https addresses that trusts what s trusts, and believes
// s's certificate for 127.0.0.1 alone.
func trusting(t *testing.T, s *httptest.Server, addresses ...string) *chain {
	t.Helper()
	for i, a := range addresses {
		addresses[i] = "https://" + a
	}
	chain := route(t, addresses...)
	pool := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	for _, socket := range chain.sockets {
		socket.TLSClientConfig.RootCAs = pool
	}
	return chain
}

// Unreached is what no address takes: each is named, and what is back is found at once.
func TestAddressesAllBroken(t *testing.T) {
	t.Parallel()
	a, b := refusing(t), refusing(t)
	chain := route(t, a, b)
	for range 5 {
		got := chain.Attempt(context.Background(), attemptOf([]byte("{}")))
		if got.Reach != deliver.Unreached || got.Status != 0 || !strings.Contains(got.Err.Error(), a) || !strings.Contains(got.Err.Error(), b) {
			t.Fatalf("reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
		}
	}
	back, err := net.Listen("tcp", b)
	if err != nil {
		t.Skipf("another process has the port: %v", err)
	}
	defer back.Close()
	go func() { _ = http.Serve(back, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) }()
	if got := chain.Attempt(context.Background(), attemptOf([]byte("{}"))); got.Reach != deliver.Answered || got.Status != 200 {
		t.Errorf("the first attempt after one is back: reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
	}
}

// What hangs before TLS is asked again only now and then, and by one attempt at a time.
func TestBrokenAddressIsLeftOut(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	t.Cleanup(s.Close)
	hang, conns := hanging(t)
	chain := trusting(t, s, hang, strings.TrimPrefix(s.URL, "https://"))
	began := time.Now()
	for range 200 {
		if a := chain.Attempt(context.Background(), attemptOf([]byte("{}"))); a.Reach != deliver.Answered || a.Status != 200 {
			t.Fatalf("reach %d, status %d, error %v", a.Reach, a.Status, a.Err)
		}
	}
	if n, most := conns.Load(), 1+int32(time.Since(began)/time.Second); n < 1 || n > most {
		t.Errorf("%d of 200 attempts asked the one that hangs; in %s it may be %d", n, time.Since(began), most)
	}
}

// What may have been sent goes to nobody else.
func TestNobodyElseGetsWhatWasSent(t *testing.T) {
	t.Parallel()
	var seen atomic.Int32
	mute := func() string {
		return testapp.ByHand(t, func(c *net.TCPConn, _ int) {
			defer c.Close()
			var b [1]byte
			if n, _ := c.Read(b[:]); n > 0 {
				seen.Add(1)
			}
		})
	}
	chain := route(t, mute(), mute(), mute())
	if got := chain.Attempt(context.Background(), attemptOf([]byte("{}"))); got.Reach != deliver.Broken {
		t.Errorf("reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
	}
	if n := seen.Load(); n != 1 {
		t.Errorf("%d addresses were sent the event", n)
	}
}

// An address that is far away gets its time once all others were asked.
func TestSlowAddressesAreReached(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	s.Listener = slowListener{s.Listener}
	s.StartTLS()
	t.Cleanup(s.Close)
	hang, _ := hanging(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	chain := trusting(t, s, strings.TrimPrefix(s.URL, "https://"), hang)
	if got := chain.Attempt(ctx, attemptOf([]byte("{}"))); got.Reach != deliver.Answered || got.Status != 200 {
		t.Errorf("reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
	}
}

// slowListener hands over connections that are slower than any first patience.
type slowListener struct{ net.Listener }

func (l slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slowConn{Conn: c, until: time.Now().Add(3 * 250 * time.Millisecond)}, nil
}

type slowConn struct {
	net.Conn
	until time.Time
}

func (c *slowConn) Read(p []byte) (int, error) {
	timer := time.NewTimer(time.Until(c.until))
	defer timer.Stop()
	<-timer.C
	return c.Conn.Read(p)
}

// A single address that takes the connection and never answers TLS was not reached.
func TestHangingTLSIsUnreached(t *testing.T) {
	t.Parallel()
	hang, _ := hanging(t)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if got := route(t, "https://"+hang).Attempt(ctx, attemptOf([]byte("{}"))); got.Reach != deliver.Unreached {
		t.Errorf("reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
	}
}
