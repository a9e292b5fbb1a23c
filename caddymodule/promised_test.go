package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/internal/body"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/idmemory"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/upstream"
)

// Whatever the store does, the answer is there within 8 s of the request: the
// platform waits for 10.
func TestAnswerComesWithinEightSeconds(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]time.Duration{"at once": 0, "after a slow body": 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			store := stalled{goOn: make(chan struct{})}
			gate, err := dedupe.NewGate[spool.Receipt](dedupe.GateOptions{IDs: -1})
			if err != nil {
				t.Fatal(err)
			}
			app := &App{live: make(chan struct{})}
			h := &Webhook{app: app}
			for _, odd := range []string{"not JSON", ""} { // The second finds no store open at all.
				began := time.Now()
				time.Sleep(late)
				in := &incoming{
					r: httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader("x")), received: began,
					body: new(body.Body), odd: odd, id: "evt_1",
				}
				if odd != "" {
					ctx, cancel := in.deadline()
					err = in.quarantine(ctx, store)
					cancel()
				} else {
					_, err = h.accept(in)
				}
				if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 8*time.Second || took < 5*time.Second {
					t.Errorf("%s: odd %q: %v after %s", name, odd, err, took)
				}
			}
			close(store.goOn)
			gate.Close()
			synctest.Wait()
		})
	}
}

// Only a proxy that the operator trusts is believed about the client.
func TestOnlyATrustedProxyIsBelieved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trusted      any
		proto        string
		scheme, from string
	}{
		"a stranger":         {false, "https", "http", "192.0.2.9:1234"},
		"nobody knows":       {nil, "https", "http", "192.0.2.9:1234"},
		"a proxy":            {true, "https", "https", "203.0.113.7:0"},
		"a proxy in capital": {true, "HTTPS", "https", "203.0.113.7:0"},
		"a proxy, by http":   {true, "http", "http", "203.0.113.7:0"},
		"a proxy, no word":   {true, "", "http", "203.0.113.7:0"},
		"a proxy, nonsense":  {true, "httpss", "http", "203.0.113.7:0"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/hook", nil)
		r.Header.Set("X-Forwarded-Proto", c.proto)
		r.Header.Set("X-Forwarded-For", "203.0.113.66")
		vars := map[string]any{caddyhttp.ClientIPVarKey: "203.0.113.7"}
		if c.trusted != nil {
			vars[caddyhttp.TrustedProxyVarKey] = c.trusted
		}
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))
		req := spool.Request{Scheme: "http", RemoteAddr: "192.0.2.9:1234"}
		behindProxy(&req, r)
		if req.Scheme != c.scheme || req.RemoteAddr != c.from {
			t.Errorf("%s: %s from %s, want %s from %s", name, req.Scheme, req.RemoteAddr, c.scheme, c.from)
		}
	}
}

// What the documents promise in numbers is what the code has.
func TestLimitsAreThosePromised(t *testing.T) {
	t.Parallel()
	var s Source
	s.Pass = true
	s.setDefaults()
	for name, c := range map[string][2]any{
		"answer within":       {answerWithin, 8 * time.Second},
		"read_timeout":        {time.Duration(s.ReadTimeout), 5 * time.Second},
		"ack_timeout":         {time.Duration(s.AckTimeout), 8 * time.Second},
		"max_body":            {s.MaxBody, int64(1 << 20)},
		"Retry-After":         {retryAfter, "10"},
		"grace":               {defaultGrace, 10 * time.Second},
		"a secret's length":   {env.MinSecret, 16},
		"overdue handlers":    {upstream.Overdue, time.Second},
		"small bodies":        {body.Small, 64 << 10},
		"ids of pass mode":    {idmemory.MaxIDs, 1 << 20},
		"looks at the store":  {watchEvery, time.Second},
		"the smallest store":  {minMaxSize, 16 << 20},
		"the smallest window": {spool.MinWindow, 4 * time.Hour},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %v, and %v is promised", name, c[0], c[1])
		}
	}
}
