package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

const (
	newSecret = "a new secret of the go app"
	oldSecret = "an old secret of the go app"
)

// running is the app, and what it has logged.
func running(t *testing.T, opts ...event.Option) (http.Handler, *bytes.Buffer) {
	t.Helper()
	v, err := verify.New(verify.Key(newSecret), verify.Key(oldSecret))
	if err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	return newApp(slog.New(slog.NewTextHandler(log, nil)), v, opts...), log
}

func post(t *testing.T, app http.Handler, secret, body, replay string) int {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/inbox", strings.NewReader(body))
	req.Header.Set(verify.Header, verify.Sign([]byte(secret), []byte(body)))
	if replay != "" {
		req.Header.Set("X-Inbox-Replay", replay)
	}
	res := httptest.NewRecorder()
	app.ServeHTTP(res, req)
	return res.Code
}

func TestHandlesEachTypeOnce(t *testing.T) {
	t.Parallel()
	app, log := running(t)
	for _, typ := range event.Types() {
		e, err := event.Sample(typ, time.Now(), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := e.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{newSecret, oldSecret} {
			if got := post(t, app, secret, string(body), ""); got != http.StatusOK {
				t.Errorf("%s: %d", typ, got)
			}
		}
		word := "msg=" + strings.TrimPrefix(typ, "message.")
		if n := strings.Count(log.String(), word+" "); n != 1 {
			t.Errorf("%s handled %d times:\n%s", typ, n, log)
		}
	}
	if strings.Contains(log.String(), "+1555") {
		t.Errorf("a phone number is in the log:\n%s", log)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secret, body string
		want         int
	}{
		"forged":           {"another secret, as long as it", `{"id":"evt_1","type":"message.read"}`, http.StatusUnauthorized},
		"not JSON":         {newSecret, "no", http.StatusBadRequest},
		"wrong payload":    {newSecret, `{"id":"evt_1","type":"message.read","data":{"message_id":7}}`, http.StatusInternalServerError},
		"unknown type":     {newSecret, `{"id":"evt_1","type":"message.expired","data":{}}`, http.StatusOK},
		"unknown, no data": {newSecret, `{"id":"evt_1","type":"message.expired"}`, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app, _ := running(t)
			if got := post(t, app, c.secret, c.body, ""); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// Behind inboxgate, what an operator sends again is handled again.
func TestReplayIsHandled(t *testing.T) {
	t.Parallel()
	const body = `{"id":"evt_1","type":"message.expired"}`
	for want, opts := range map[int][]event.Option{1: nil, 2: {event.BehindGate()}} {
		app, log := running(t, opts...)
		for _, replay := range []string{"", "1"} {
			if got := post(t, app, newSecret, body, replay); got != http.StatusOK {
				t.Errorf("replay %q: %d", replay, got)
			}
		}
		if n := strings.Count(log.String(), "event of another type"); n != want {
			t.Errorf("handled %d times, want %d:\n%s", n, want, log)
		}
	}
}
