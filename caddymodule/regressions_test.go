package caddymodule_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/testapp"
	"github.com/inboxgate/inboxgate/verify"
)

// Faults that were found, each kept as a test of its name.

func within(t *testing.T, d time.Duration, what string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		if yes() {
			return
		}
	}
	t.Errorf("not within %s: %s", d, what)
}

func aged(age time.Duration) []byte {
	now := time.Now()
	return fmt.Appendf(nil, `{"id":"evt_%d","type":"message.read","created_at":%q,"data":{}}`, now.UnixNano(), now.Add(-age).Format(time.RFC3339))
}

// Apps start in random order: ours has often started before another fails.
func TestFailedReloadChangesNoSetting(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a, taken := newApp(t, nil), newApp(t, nil)
	site := "inbox_webhook /hook " + a.addr()
	in := start(t, "", site)
	for range 12 {
		in.options = "window 4h"
		if err := in.load("", site+"\n}\nhttp://"+taken.addr()+" {\n respond 200"); err == nil {
			t.Fatal("a port that is taken was bound")
		}
		if got := post(t, in.url("/hook"), aged(5*time.Hour)); got.result != "accepted" {
			t.Fatalf("the window of 24h is not in force: %+v", got)
		}
	}
}

func TestFailedReloadTakesNoDeliveriesOver(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a, taken := newApp(t, nil), newApp(t, nil)
	down := "127.0.0.1:" + freePort(t)
	to := func(addr, name, was string) string {
		return fmt.Sprintf("inbox_webhook /hook {\n to %s {\n name %s\n %s\n}\n}", addr, name, was)
	}
	in := start(t, "", to(down, "old", ""))
	id, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	for range 12 {
		if err := in.load("", to(down, "new", "was old")+"\n}\nhttp://"+taken.addr()+" {\n respond 200"); err == nil {
			t.Fatal("a port that is taken was bound")
		}
	}
	if err := in.load("", to(a.addr(), "old", "")); err != nil {
		t.Fatal(err)
	}
	a.await(t, id)
}

func TestRoutesDoNotSeeEachOthersHeaders(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	one, other := newApp(t, nil), newApp(t, nil)
	in := start(t, "", fmt.Sprintf(`
	inbox_webhook /hook {
		on message.read {
			name one
			handle {
				request_header Content-Type json xml
				reverse_proxy %s
			}
		}
		on message.* %s
	}`, one.addr(), other.addr()))
	for range 20 {
		id, body := sample(t, "message.read")
		post(t, in.url("/hook"), body)
		one.await(t, id)
		if got := other.await(t, id).Header.Get("Content-Type"); got != "application/json" {
			t.Fatalf("the other route got %q", got)
		}
	}
}

// Caddy's fastcgi transport heeds its context for the dial only.
func TestDeafHandlersAreTimedOut(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	addr := testapp.Silent(t)
	in := start(t, "", fmt.Sprintf(`
	inbox_webhook /hook {
		to {
			name php
			timeout 200ms
			retry 1s 1s
			handle {
				reverse_proxy %s {
					transport fastcgi
				}
			}
		}
	}
	route /pass {
		inbox_webhook {
			name pass
			pass
			ack_timeout 200ms
		}
		reverse_proxy %s {
			transport fastcgi
		}
	}`, addr, addr))
	id, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	within(t, 30*time.Second, "a counted attempt", func() bool {
		rec := in.records(spool.Query{ID: id})
		return len(rec) == 1 && rec[0].Deliveries[0].Attempts > 0
	})
	if got := post(t, in.url("/pass"), body); got.status != http.StatusGatewayTimeout {
		t.Errorf("pass: %+v", got)
	}
}

func TestPassRemembersOverAChangeOfWindow(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a := newApp(t, nil)
	site := "route {\n inbox_webhook /hook {\n pass\n}\n reverse_proxy " + a.addr() + "\n}"
	in := start(t, "", site)
	_, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	in.options = "window 25h"
	if err := in.load("", site); err != nil {
		t.Fatal(err)
	}
	if got := post(t, in.url("/hook"), body); got.result != "duplicate" {
		t.Errorf("got %+v", got)
	}
}

func TestPassDoesNotHoldUpAReload(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	goOn := make(chan struct{})
	a := newApp(t, func(http.ResponseWriter, *http.Request, int) { <-goOn })
	in := start(t, "", "route {\n inbox_webhook /hook {\n pass\n}\n reverse_proxy "+a.addr()+"\n}")
	id, body := sample(t, "message.read")
	done := make(chan reply)
	r := request(t, in.url("/hook"), body)
	go func() { done <- send(t, r) }()
	eventually(t, "the request at the app", func() bool { return len(a.arrivals()) == 1 })
	if err := in.load("", ""); err != nil { // It would hang, were it to wait.
		t.Fatal(err)
	}
	close(goOn)
	if got := <-done; got.status != 200 || id == "" {
		t.Errorf("got %+v", got)
	}
}

func TestPassShowsOnlyItsOwnHeaders(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a := newApp(t, nil)
	in := start(t, "", "route {\n inbox_webhook /hook {\n pass\n}\n reverse_proxy "+a.addr()+"\n}")
	id, body := sample(t, "message.read")
	r := request(t, in.url("/hook"), body)
	r.Header["X-Inbox-Event-Id"], r.Header["X-Inbox-Replay"] = []string{"forged"}, []string{"7"}
	send(t, r)
	got := a.await(t, id)
	if got.Header.Get("X-Inbox-Replay") != "" || got.Header.Get(verify.Header) == "" {
		t.Errorf("got %v", got.Header)
	}
}

func TestRefusalsWaitForNoBody(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	in := start(t, "", "inbox_webhook /hook {\n max_body 64KiB\n read_timeout 300ms\n to a.invalid:1\n}")
	for text, want := range map[string]int{
		"PUT /hook HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc":                         http.StatusMethodNotAllowed,
		"POST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\nabc":                      http.StatusRequestEntityTooLarge,
		"POST /hook HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 70000\r\n\r\n": http.StatusRequestEntityTooLarge,
		"POST /hook HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc":            http.StatusRequestTimeout,
	} {
		if status, err := raw(t, in.port, text); status != want {
			t.Errorf("%q: %d, %v", text, status, err)
		}
	}
}

func TestInvokeInARoute(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a := newApp(t, nil)
	in := start(t, "", "inbox_webhook /hook {\n to {\n name a\n handle {\n invoke app\n}\n}\n}\n}\n&(app) {\n route {\n reverse_proxy "+a.addr()+"\n}")
	id, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	a.await(t, id)
}

// A delivery that came back to its own webhook would find itself a duplicate,
// and be done.
func TestDeliveryThatComesBackIsNoSuccess(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	in := start(t, "", "invoke hook\n}\n&(hook) {\n inbox_webhook /hook {\n to {\n name self\n handle {\n invoke hook\n}\n}\n}")
	id, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	within(t, 20*time.Second, "a failed attempt", func() bool {
		rec := in.records(spool.Query{ID: id})
		return len(rec) == 1 && rec[0].Deliveries[0].State == spool.Retrying
	})
}

func TestEndless200IsADelivery(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a := newApp(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		fmt.Fprint(w, "ok")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	in := start(t, "", "inbox_webhook /hook {\n to "+a.addr()+" {\n timeout 200ms\n retry 1s 1s\n}\n}")
	id, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	within(t, 30*time.Second, "the delivery", func() bool {
		rec := in.records(spool.Query{ID: id})
		return len(rec) == 1 && rec[0].Deliveries[0].State == spool.Delivered
	})
	if n := a.count(id); n != 1 {
		t.Errorf("%d copies", n)
	}
}

// Caddy's error log shows the headers of a request that failed.
func TestNoSignatureInTheErrorLog(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a := newApp(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusInternalServerError) })
	in := start(t, "", "inbox_webhook /hook "+a.addr()+"\n route /pass {\n inbox_webhook {\n name pass\n pass\n}\n reverse_proxy "+a.addr()+"\n}")
	if err := in.store().Close(); err != nil {
		t.Fatal(err)
	}
	_, body := sample(t, "message.read")
	if got := post(t, in.url("/hook"), body); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("closed store: %+v", got)
	}
	if got := post(t, in.url("/pass"), body); got.status != http.StatusBadGateway {
		t.Errorf("pass: %+v", got)
	}
	lines, err := os.ReadFile(in.logs)
	if err != nil {
		t.Fatal(err)
	}
	signature := []byte(verify.Sign([]byte(secret), body))
	for line := range bytes.Lines(lines) {
		if bytes.Contains(line, signature) && !bytes.Contains(line, []byte(`"http.log.access`)) && !bytes.Contains(line, []byte(`"level":"debug"`)) {
			t.Errorf("a signature is in the log: %s", line)
		}
	}
}

func TestConfigurationsThatCannotWork(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	in := start(t, "", "")
	for name, c := range map[string]struct{ options, site, say string }{
		"unset upstream":   {"", "inbox_webhook /hook {env.NOT_SET_ANYWHERE}", "set what it names"},
		"short retention":  {"retention 1h", "inbox_webhook /hook a:1", "raise retention"},
		"endless max_body": {"", "inbox_webhook /hook {\n max_body 200MiB\n to a:1\n}", "at most 128MiB"},
		"two heirs":        {"", "inbox_webhook /hook {\n on message.read a:1 {\n name a\n was c\n}\n to b:1 {\n name b\n was c\n}\n}", "only one"},
		"no host":          {"", "inbox_webhook /hook :3000", "has no host"},
		"port":             {"", "inbox_webhook /hook app:99999", "1 to 65535"},
		"mixed schemes":    {"", "inbox_webhook /hook http://a:1 https://b:1", "the same scheme"},
		"tls in handle":    {"", "inbox_webhook /hook {\n to {\n name a\n handle {\n tls internal\n}\n}\n}", "Caddyfile:"},
		"sender's choice":  {"", "inbox_webhook /hook {\n to {\n name a\n handle {\n reverse_proxy {header.User-Agent}\n}\n}\n}", "a sender could choose"},
		"sender's name":    {"", "inbox_webhook /hook {\n to {\n name a\n handle {\n reverse_proxy {\n dynamic a {host} 80\n}\n}\n}\n}", "a sender could choose"},
		"block":            {"", "inbox_webhook /hook {\n pass {\n}\n}", "no block belongs here"},
	} {
		in.options = c.options
		if err := in.load("", c.site); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error is %v, want %q in it", name, err, c.say)
		}
	}
}
