package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
func running(t *testing.T) (*app, *bytes.Buffer) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(newSecret+"\n"+oldSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	a, err := newApp(slog.New(slog.NewTextHandler(log, nil)), func(name string) string {
		return map[string]string{"INBOX_WEBHOOK_SECRET_FILE": file}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	return a, log
}

func post(t *testing.T, a *app, secret string, body []byte) int {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/inbox", bytes.NewReader(body))
	req.Header.Set(verify.Header, verify.Sign([]byte(secret), body))
	res := httptest.NewRecorder()
	a.ServeHTTP(res, req)
	return res.Code
}

func TestHandlesEachTypeOnce(t *testing.T) {
	t.Parallel()
	a, log := running(t)
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
			if got := post(t, a, secret, body); got != http.StatusNoContent {
				t.Errorf("%s: %d", typ, got)
			}
		}
		word := "msg=" + strings.TrimPrefix(typ, "message.")
		if n := strings.Count(log.String(), word+" "); n != 1 {
			t.Errorf("%s handled %d times:\n%s", typ, n, log)
		}
	}
	if n := strings.Count(log.String(), `msg="event known"`); n != len(event.Types()) {
		t.Errorf("%d copies known:\n%s", n, log)
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
		"forged":        {"another secret, as long as it", `{"id":"evt_1","type":"message.read"}`, http.StatusUnauthorized},
		"not JSON":      {newSecret, "no", http.StatusGone},
		"wrong payload": {newSecret, `{"id":"evt_1","type":"message.read","data":{"message_id":7}}`, http.StatusInternalServerError},
		"unknown type":  {newSecret, `{"id":"evt_1","type":"message.expired","data":{}}`, http.StatusNoContent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := running(t)
			if got := post(t, a, c.secret, []byte(c.body)); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestRefusesToRunWithoutSecret(t *testing.T) {
	t.Parallel()
	for _, env := range []map[string]string{nil, {"INBOX_WEBHOOK_SECRET": "short"}, {"INBOX_WEBHOOK_SECRET_FILE": "nowhere"}} {
		if _, err := newApp(slog.New(slog.DiscardHandler), func(name string) string { return env[name] }); err == nil {
			t.Errorf("%v: it runs", env)
		}
	}
}
