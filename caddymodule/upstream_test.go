package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// proxyTo is a route's chain to one address, provisioned as Caddy would.
func proxyTo(t *testing.T, handlers ...string) *chain {
	t.Helper()
	cfg := &caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}}
	// Held over compile too: Caddy's reverse_proxy has a global of its own.
	CaddyState.Lock()
	defer CaddyState.Unlock()
	ctx, err := caddy.ProvisionContext(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := Route{Name: "r"}
	for _, h := range handlers {
		r.HandleRaw = append(r.HandleRaw, json.RawMessage(h))
	}
	if err := r.compile(ctx); err != nil {
		t.Fatal(err)
	}
	return r.upstream
}

func proxy(addr string) string {
	return fmt.Sprintf(`{"handler":"reverse_proxy","upstreams":[{"dial":%q}]}`, addr)
}

func attemptOf(body []byte) deliver.Attempt {
	return deliver.Attempt{N: 2, Delivery: spool.Delivery{
		Route: spool.RouteKey{Source: "inbox", Route: "r"},
		Event: &spool.Event{
			Source: "inbox", ID: "evt_1", Type: "message.read",
			Request: spool.Request{Method: "POST", URI: "/hook?a=1", Host: "hooks.example.com", RemoteAddr: "192.0.2.7:1234", Scheme: "https", Body: body},
		},
	}}
}

// What an attempt is worth, measured at real upstreams: success is an
// explicitly written 2xx, and nothing else.
func TestAttempt(t *testing.T) {
	t.Parallel()
	upstream := func(f http.HandlerFunc) string {
		s := httptest.NewServer(f)
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	status := func(code int, head ...string) string {
		return upstream(func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(head); i += 2 {
				w.Header().Set(head[i], head[i+1])
			}
			w.WriteHeader(code)
			if code != 204 {
				_, _ = io.WriteString(w, "said")
			}
		})
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tlsServer.Close)
	var followed bool
	for name, c := range map[string]struct {
		handlers []string
		reach    deliver.Reach
		status   int
		ok       bool
	}{
		"200":              {[]string{proxy(status(200))}, deliver.Answered, 200, true},
		"204":              {[]string{proxy(status(204))}, deliver.Answered, 204, true},
		"302 not followed": {[]string{proxy(status(302, "Location", "http://"+upstream(func(http.ResponseWriter, *http.Request) { followed = true })))}, deliver.Answered, 302, false},
		"400":              {[]string{proxy(status(400))}, deliver.Answered, 400, false},
		"410":              {[]string{proxy(status(410))}, deliver.Answered, 410, false},
		"500":              {[]string{proxy(status(500))}, deliver.Answered, 500, false},
		"503":              {[]string{proxy(status(503))}, deliver.Answered, 503, false},
		"refused":          {[]string{proxy(closed.Addr().String())}, deliver.Unreached, 0, false},
		"no such name":     {[]string{proxy("nowhere.invalid:1")}, deliver.Unreached, 0, false},
		"bad certificate":  {[]string{fmt.Sprintf(`{"handler":"reverse_proxy","transport":{"protocol":"http","tls":{}},"upstreams":[{"dial":%q}]}`, tlsServer.Listener.Addr())}, deliver.Unreached, 0, false},
		"not TLS at all":   {[]string{fmt.Sprintf(`{"handler":"reverse_proxy","transport":{"protocol":"http","tls":{}},"upstreams":[{"dial":%q}]}`, status(200))}, deliver.Unreached, 0, false},
		"hangs": {[]string{proxy(upstream(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // Only then does net/http see the client leave.
			<-r.Context().Done()
		}))}, deliver.Broken, 0, false},
		"drips": {[]string{proxy(upstream(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}))}, deliver.Answered, 200, true},
		"cut in the answer": {[]string{proxy(upstream(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}))}, deliver.Answered, 200, true},
		"cut before the answer": {[]string{proxy(upstream(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))}, deliver.Broken, 0, false},
		"a hundred megabytes": {[]string{proxy(upstream(func(w http.ResponseWriter, _ *http.Request) {
			for chunk, n := make([]byte, 1<<20), 0; n < 100; n++ {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}))}, deliver.Answered, 200, true},
		"empty chain":     {[]string{`{"handler":"vars","a":"b"}`}, deliver.Answered, 0, false},
		"static 200":      {[]string{`{"handler":"static_response","status_code":200}`}, deliver.Answered, 200, true},
		"error directive": {[]string{`{"handler":"error","status_code":"404","error":"no"}`}, deliver.Answered, 404, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wait := 20 * time.Second
			if name == "hangs" || name == "drips" {
				wait = 200 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			defer cancel()
			got := proxyTo(t, c.handlers...).Attempt(ctx, attemptOf([]byte("{}")))
			if got.Reach != c.reach || got.Status != c.status {
				t.Errorf("reach %d, status %d, error %v; want reach %d, status %d", got.Reach, got.Status, got.Err, c.reach, c.status)
			}
			if c.ok != (got.Err == nil && got.Reach == deliver.Answered && got.Status/100 == 2) {
				t.Errorf("success is not %t: %+v", c.ok, got)
			}
			if len(got.Response) > spool.MaxResponse {
				t.Errorf("%d bytes of the answer kept", len(got.Response))
			}
		})
	}
	t.Cleanup(func() {
		if followed {
			t.Error("a redirect was followed")
		}
	})
}

// A cancelled attempt is ours and counts for nothing, whatever Caddy makes of it.
func TestAttemptCancelled(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(reached)
		<-r.Context().Done()
	}))
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-reached
		cancel()
	}()
	got := proxyTo(t, proxy(strings.TrimPrefix(s.URL, "http://"))).Attempt(ctx, attemptOf(nil))
	if got.Reach != deliver.Aborted {
		t.Errorf("reach is %d: %+v", got.Reach, got)
	}
}

func TestAttemptPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a panic that is no outcome was swallowed; the worker logs it")
		}
	}()
	c := &chain{}
	c.Attempt(context.Background(), attemptOf(nil))
}

func TestAttemptRequest(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer s.Close()
	a := attemptOf([]byte(`{"id":"evt_1"}`))
	a.Delivery.Replay = 3
	proxyTo(t, proxy(strings.TrimPrefix(s.URL, "http://"))).Attempt(context.Background(), a)
	if !bytes.Equal(body, a.Delivery.Event.Request.Body) || got.RequestURI != "/hook?a=1" || got.Host != "hooks.example.com" {
		t.Errorf("got %s %s %q", got.RequestURI, got.Host, body)
	}
	for name, want := range map[string]string{
		"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", "X-Inbox-Attempt": "2",
		"X-Inbox-Replay": "3", "Idempotency-Key": "evt_1:r3", "Early-Data": "",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
		}
	}
}
