package caddymodule_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/caddymodule"
)

// Without routes the directive is plain middleware: the next handler's 2xx is
// the answer, and what it did not take is asked for again.
func TestPass(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	var status atomic.Int32
	status.Store(http.StatusCreated)
	a := newApp(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if status.Load() == 0 {
			<-r.Context().Done()
			return
		}
		w.Header().Set("X-App", "yes")
		w.WriteHeader(int(status.Load()))
		fmt.Fprint(w, "taken")
	})
	site := func(n int) string {
		return fmt.Sprintf(`
	route /hook {
		inbox_webhook {
			max_body %dKiB
			pass
			ack_timeout 300ms
		}
		header X-Event-Id {http.inbox_webhook.event_id}
		reverse_proxy %s {
			header_up X-Event-Type {http.inbox_webhook.event_type}
		}
	}
	route /silent {
		inbox_webhook {
			name silent
			pass
		}
	}`, 64+n, a.addr())
	}
	in := start(t, "", site(0))
	hook := in.url("/hook")
	if caddymodule.StoreOf(in.dir) != nil {
		t.Error("pass mode opened a store")
	}

	t.Run("taken", func(t *testing.T) {
		id, body := sample(t, "message.action")
		got := post(t, hook, body)
		if got.status != http.StatusCreated || got.body != "taken" || got.result != "accepted" || got.header.Get("X-App") != "yes" || got.header.Get("X-Event-Id") != id {
			t.Errorf("got %+v", got)
		}
		last := a.arrivals()[len(a.arrivals())-1]
		if !bytes.Equal(last.Body, body) || last.Header.Get("X-Event-Type") != "message.action" || last.Header.Get("X-Inbox-Signature") == "" {
			t.Errorf("the app got %+v", last)
		}
		had := len(a.arrivals())
		if got := post(t, hook, body); got.status != 200 || got.result != "duplicate" {
			t.Errorf("a copy: %+v", got)
		}
		if err := in.load("", site(1)); err != nil {
			t.Fatal(err)
		}
		if got := post(t, hook, body); got.result != "duplicate" {
			t.Errorf("a copy after a reload: %+v", got)
		}
		other := bytes.Replace(body, []byte("confirm"), []byte("decline"), 1)
		if got := post(t, hook, other); got.status != 200 || got.result != "duplicate" || !strings.Contains(got.reason, "another body") {
			t.Errorf("a copy with another body: %+v", got)
		}
		if len(a.arrivals()) != had {
			t.Error("a copy reached the app")
		}
	})
	t.Run("not taken", func(t *testing.T) {
		for _, bad := range []int{500, 404, 302, 0} {
			status.Store(int32(bad))
			_, body := sample(t, "message.read")
			if got := post(t, hook, body); got.status < 500 {
				t.Errorf("app answers %d: %+v", bad, got)
			}
			status.Store(http.StatusOK)
			if got := post(t, hook, body); got.status != 200 || got.result != "accepted" {
				t.Errorf("after the app answered %d: %+v", bad, got)
			}
		}
	})
	t.Run("silence is no answer", func(t *testing.T) {
		_, body := sample(t, "message.read")
		for range 2 {
			if got := post(t, in.url("/silent"), body); got.status < 500 {
				t.Errorf("got %+v", got)
			}
		}
	})
	t.Run("fifty copies at once", func(t *testing.T) {
		_, body := sample(t, "message.failed")
		had := len(a.arrivals())
		var wg sync.WaitGroup
		var accepted atomic.Int32
		for range 50 {
			wg.Go(func() {
				if got := post(t, hook, body); got.status/100 != 2 {
					t.Errorf("got %+v", got)
				} else if got.result == "accepted" {
					accepted.Add(1)
				}
			})
		}
		wg.Wait()
		if accepted.Load() != 1 || len(a.arrivals()) != had+1 {
			t.Errorf("%d accepted, %d reached the app", accepted.Load(), len(a.arrivals())-had)
		}
	})
	t.Run("forged", func(t *testing.T) {
		_, body := sample(t, "message.read")
		r := request(t, hook, body)
		r.Header.Set("X-Inbox-Signature", emptyKeySignature(body))
		if got := send(t, r); got.status != http.StatusUnauthorized {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("stale", func(t *testing.T) {
		body := fmt.Appendf(nil, `{"id":"evt_old","type":"message.read","created_at":%q}`, time.Now().Add(-25*time.Hour).Format(time.RFC3339))
		if got := post(t, hook, body); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("odd", func(t *testing.T) {
		if got := post(t, hook, []byte("not JSON")); got.status != 200 || got.result != "accepted" {
			t.Errorf("the app judges what we cannot read: %+v", got)
		}
		if got := post(t, hook, []byte("not JSON")); got.result != "duplicate" {
			t.Errorf("a copy: %+v", got)
		}
	})
}

// One endpoint on two sites is one source: an id is accepted once over both.
func TestOneSourceTwoSites(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a := newApp(t, nil)
	second, bind := listen(t)
	hook := "inbox_webhook /hook " + a.addr()
	in := start(t, "", fmt.Sprintf("%s\n}\nhttp://:%s {\n bind %s\n %s", hook, second, bind, hook))
	id, body := sample(t, "message.read")
	if got := post(t, in.url("/hook"), body); got.result != "accepted" {
		t.Fatalf("got %+v", got)
	}
	if got := post(t, "http://127.0.0.1:"+second+"/hook", body); got.result != "duplicate" {
		t.Errorf("at the other site: %+v", got)
	}
	a.await(t, id)
}

// A configuration that would let everyone in, or lose events, does not start.
func TestRefusesToStart(t *testing.T) {
	in := start(t, "", "")
	for name, c := range map[string]struct{ secret, site, say string }{
		"no secret":       {"", "inbox_webhook /hook a:1", "INBOX_WEBHOOK_SECRET"},
		"blank":           {"   ", "inbox_webhook /hook a:1", "INBOX_WEBHOOK_SECRET"},
		"short":           {"fifteen-bytes!!", "inbox_webhook /hook a:1", "16"},
		"unset":           {secret, "inbox_webhook /hook {\n secret {env.NOT_SET_ANYWHERE}\n to a:1\n}", "NOT_SET_ANYWHERE"},
		"unknown handler": {secret, "inbox_webhook /hook {\n to {\n name x\n handle {\n method\n}\n}\n}", ""},
	} {
		t.Setenv("INBOX_WEBHOOK_SECRET", c.secret)
		err := in.load("", c.site)
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error is %v, want %q in it", name, err, c.say)
		}
		if err != nil && c.secret != "" && strings.TrimSpace(c.secret) != "" && strings.Contains(err.Error(), c.secret) {
			t.Errorf("%s: the error holds the secret", name)
		}
	}
	if n := caddymodule.OpenStorages(); n != 0 {
		t.Errorf("%d stores are open", n)
	}
}

// The next handler's status decides, however its body goes on: the platform would send
// the event again, and the app has it.
func TestPassStatusDecides(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a := newApp(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	in := start(t, "", "route /hook {\n inbox_webhook {\n pass\n}\n reverse_proxy "+a.addr()+"\n}")
	_, body := sample(t, "message.read")
	if got := post(t, in.url("/hook"), body); got.status != http.StatusOK || got.result != "accepted" {
		t.Errorf("%+v", got)
	}
	if got := post(t, in.url("/hook"), body); got.result != "duplicate" {
		t.Errorf("again: %+v", got)
	}
}
