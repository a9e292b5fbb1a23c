package demo_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The command for the dashboard of a running instance finds the demo as the other
// commands do, and shows the same pages.
func TestDashboardBeside(t *testing.T) {
	s := stand(t, strings.NewReader(""))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, ended := &watched{}, make(chan error, 1)
	root := program()
	root.SetOut(out)
	root.SetErr(out)
	root.SetArgs([]string{"inbox", "dashboard"})
	go func() { ended <- root.ExecuteContext(ctx) }()
	link := regexp.MustCompile(`http://127\.0\.0\.1:\d+/\S+`).FindString(out.await(t, "The dashboard:"))
	if link == "" {
		t.Fatalf("no link in\n%s", out.all())
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(text), "on-call") {
		t.Errorf("%s: %d %v", link, res.StatusCode, err)
	}
	if own := s.page(s.dashboard); !strings.Contains(own, "on-call") {
		t.Error("the demo's own dashboard shows no route on-call")
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Ctrl-C: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
}
