package caddymodule_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What a real instance says of itself, through its real admin endpoint.
func TestStatusOfAnInstance(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusGone) })
	in, client := operated(t, fmt.Sprintf("inbox_webhook /hook {\nname st\nto %s {\nname app\n}\n}", app.addr()))
	_, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	eventually(t, "the dead letter", func() bool {
		s, err := client.Status(t.Context())
		return err == nil && s.Dead.Total == 1
	})
	s, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !s.Takes || s.Accepted < 1 || s.Max != 10<<30 || time.Since(s.LastEvent) > time.Hour || s.LastType != "message.read" || time.Since(s.Started) > time.Hour {
		t.Errorf("%+v", s)
	}
	if len(s.Secrets) != 1 || !s.Secrets[0].Valid || strings.Contains(fmt.Sprint(s), secret) {
		t.Errorf("secrets: %+v", s.Secrets)
	}
	if n := s.LastWarning; n == nil || !strings.HasPrefix(n.Text, "dead letter: ") || !strings.Contains(n.Text, "app") {
		t.Errorf("the last warning is %+v", n)
	}
	if g := s.Dead.Groups[0]; g.Status != http.StatusGone || g.Route != "app" {
		t.Errorf("dead: %+v", g)
	}
}
