package caddymodule_test

import (
	"context"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const viaName = "X-Inbox-Via"

// loops runs a route to our own listener and wants it held, and nothing delivered.
func loops(t *testing.T, site func(in *instance) string) {
	t.Helper()
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	in := start(t, "", "")
	if err := in.load("", site(in)); err != nil {
		t.Fatal(err)
	}
	id, body := sample(t, "message.read")
	if got := post(t, in.url("/hook"), body); got.result != "accepted" {
		t.Fatalf("%+v", got)
	}
	within(t, 30*time.Second, "a held route", func() bool {
		states, err := in.store().Routes(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range states {
			if s.Hold != nil && strings.Contains(s.Hold.Reason, "own listener") {
				return true
			}
		}
		return false
	})
	for _, rec := range in.records(spool.Query{ID: id}) {
		for _, d := range rec.Deliveries {
			if d.Route == "own" && d.State != spool.Available && d.State != spool.Retrying && d.State != spool.Running {
				t.Errorf("the delivery is %s", d.State)
			}
		}
	}
}

// A route to our own listener is no app.
func TestOwnListenerAsUpstream(t *testing.T) {
	loops(t, func(in *instance) string {
		return "inbox_webhook /hook {\n to 127.0.0.1:" + in.port + " {\n name own\n}\n}"
	})
}

// Nor is one behind another server.
func TestOwnListenerBehindAProxy(t *testing.T) {
	loops(t, func(in *instance) string {
		to, err := url.Parse("http://127.0.0.1:" + in.port)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(to))
		t.Cleanup(proxy.Close)
		return "inbox_webhook /hook {\n to " + strings.TrimPrefix(proxy.URL, "http://") + " {\n name own\n}\n}"
	})
}

// Nor is another source that sends back here.
func TestOwnListenerByAnotherSource(t *testing.T) {
	loops(t, func(in *instance) string {
		here := "http://127.0.0.1:" + in.port
		return "inbox_webhook /hook {\n to " + here + "/two {\n name there\n}\n}\n" +
			"inbox_webhook /two {\n name two\n to " + here + "/hook {\n name own\n}\n}"
	})
}

// Another source of the same instance is a receiver like any other.
func TestAnotherSourceAsUpstream(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a := newApp(t, nil)
	in := start(t, "", "")
	site := "inbox_webhook /hook {\n to http://127.0.0.1:" + in.port + "/two {\n name there\n}\n}\n" +
		"inbox_webhook /two {\n name two\n to " + a.addr() + "\n}"
	if err := in.load("", site); err != nil {
		t.Fatal(err)
	}
	id, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	a.await(t, id)
}

// What a client has put into the header is no reason to refuse, and goes no further.
func TestForgedMarksGoNoFurther(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a := newApp(t, nil)
	in := start(t, "", "inbox_webhook /hook "+a.addr())
	id, body := sample(t, "message.read")
	r := request(t, in.url("/hook"), body)
	r.Header[viaName] = []string{"nobody, 0011223344556677", "' OR 1=1"}
	r.Header["X_Inbox_Via"], r.Header["X.Inbox.Via"] = []string{"8899aabbccddeeff"}, []string{"8899aabbccddeeff"}
	if got := send(t, r); got.result != "accepted" {
		t.Fatalf("%+v", got)
	}
	a.await(t, id)
	var via []string
	for name, values := range a.arrivals()[0].Header {
		if strings.EqualFold(strings.NewReplacer("_", "-", ".", "-").Replace(name), viaName) {
			via = append(via, values...)
		}
	}
	if len(via) != 1 || len(via[0]) != 2*16+2 || !strings.HasPrefix(via[0], "0011223344556677, ") {
		t.Errorf("the app sees %q", via)
	}
}
