package caddymodule_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
)

// What an operator's page shows of a real instance: what comes and ends as it happens,
// what is configured of a route, and what was refused; a reload ends the stream.
func TestPagesOfAnInstance(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	site := fmt.Sprintf("inbox_webhook /hook {\nname pages\non message.read %s {\nname app\nretry 3s 2m\nrate 50\n}\n}", app.addr())
	in, client := operated(t, site)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, ended := make(chan control.Streamed, 100), make(chan error, 1)
	go func() {
		ended <- client.Stream(ctx, control.Filter{Source: "pages"}, 0, func(s control.Streamed) error {
			got <- s
			return nil
		})
	}()
	id, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	for _, want := range []string{control.StreamEvent, control.StreamEnded} {
		select {
		case s := <-got:
			if s.Kind != want || s.Event.ID != id {
				t.Fatalf("%+v came, want %s %s", s, want, id)
			}
		case err := <-ended:
			t.Fatalf("the stream ended: %v", err)
		}
	}
	res, err := http.Post(in.url("/hook"), "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	s, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.Sources, func(s control.SourceStatus) bool { return s.Source == "pages" })
	if i < 0 || s.Sources[i].Accepted != 1 || s.Sources[i].Refused["signature_missing"] != 1 || time.Since(s.Sources[i].LastEvent) > time.Hour {
		t.Fatalf("sources: %+v", s.Sources)
	}
	if at := s.Secrets[0].Used; time.Since(at) > time.Hour {
		t.Errorf("the secret was used at %v", at)
	}
	rt := s.Routes[0]
	if !slices.Equal(rt.Upstreams, []string{app.addr()}) || !slices.Equal(rt.Types, []string{"message.read"}) || !slices.Equal(rt.Schedule, []control.Seconds{3, 120}) ||
		rt.Timeout != 10 || rt.MaxInFlight != 32 || rt.Rate != 50 {
		t.Errorf("route: %+v", rt.RouteConfig)
	}
	if rt.Success == nil || rt.Success.Status != 200 || rt.Failure == nil || rt.Failure.Status != 500 {
		t.Errorf("last attempts: %+v, %+v", rt.Success, rt.Failure)
	}
	m, err := client.Minutes(t.Context())
	if err != nil || len(m.Routes) != 1 || control.Lately(m.Routes[0].Delivered, 60) != 1 || control.Lately(m.Routes[0].Failed, 60) != 1 || slices.Max(m.Routes[0].P50) == 0 || slices.Max(m.Sources[0].P99) == 0 {
		t.Errorf("minutes: %+v, %v", m, err)
	}
	eventually(t, "a sample of what waits", func() bool {
		m, err := client.Minutes(t.Context())
		return err == nil && slices.Max(m.Routes[0].Waiting) >= 0
	})
	if err := in.load("", site+"\n# again"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		t.Logf("it ended: %v", err)
	case <-ctx.Done():
		t.Error("the stream of a configuration that is gone goes on")
	}
}
