package demo_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/env"
)

// standing is a demo that stays up.
type standing struct {
	*testing.T
	out      *watched
	text     string // what it said until it stood, its lines unwrapped
	operator *control.Client
	// dashboard and desk are addresses, ending in a slash.
	dashboard, desk string
	quit            func()
	ended           chan error
}

// stand runs the demo until the test ends.
func stand(t *testing.T, stdin io.Reader) *standing {
	t.Helper()
	left := demoRoom(t)
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv(env.Admin, "")
	ctx, cancel := context.WithCancel(t.Context())
	s := &standing{T: t, out: &watched{}, quit: cancel, ended: make(chan error, 1)}
	root := program()
	root.SetIn(stdin)
	root.SetOut(s.out)
	root.SetErr(s.out)
	root.SetArgs([]string{"inbox", "demo"})
	go func() { s.ended <- root.ExecuteContext(ctx) }()
	t.Cleanup(func() {
		cancel()
		s.isOver()
		if l := left(); len(l) != 0 {
			t.Errorf("left behind: %v", l)
		}
	})
	s.text = unwrapped(s.out.await(t, "The configuration:"))
	s.dashboard = s.find(`The story took [0-9.]+ s\.\s+Dashboard\s+(http://127\.0\.0\.1:\d+/)`)
	s.desk = s.find(`Desk\s+(http://127\.0\.0\.1:\d+/)`)
	dir := filepath.Dir(s.find(`The configuration:\s+(\S+)`))
	t.Setenv("INBOX_DATA_DIR", filepath.Join(dir, "store"))
	var err error
	if s.operator, err = control.NewClient("unix/"+filepath.Join(dir, env.AdminSocket), ""); err != nil {
		t.Fatal(err)
	}
	return s
}

// isOver waits until the command has ended.
func (s *standing) isOver() {
	s.Helper()
	if s.ended == nil {
		return
	}
	select {
	case err := <-s.ended:
		s.ended = nil
		if err != nil {
			s.Errorf("it ends with %v", err)
		}
	case <-time.After(patience):
		s.Fatal("it does not end")
	}
}

// find returns what a group of pattern holds in what the demo said.
func (s *standing) find(pattern string) string {
	s.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(s.text)
	if found == nil {
		s.Fatalf("no %s in:\n%s", pattern, s.text)
	}
	return found[1]
}

// press uses a form of the desk.
func (s *standing) press(form string, fields ...string) {
	s.Helper()
	values := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.desk+form, strings.NewReader(values.Encode()))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", strings.TrimSuffix(s.desk, "/"))
	r.Close = true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		s.Fatalf("%s %v: %d %v %s", form, fields, res.StatusCode, err, text)
	}
}

// page returns a page as a browser gets it.
func (s *standing) page(address string) string {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, address, nil)
	if err != nil {
		s.Fatal(err)
	}
	r.Close = true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Security-Policy") == "" {
		s.Fatalf("%s: %d %v %v %s", address, res.StatusCode, err, res.Header, text)
	}
	return string(text)
}

// route waits until a route is as wanted.
func (s *standing) route(name, what string, wanted func(control.Route) bool) {
	s.Helper()
	s.until("the route "+name+" "+what, func() bool {
		all, err := s.operator.Routes(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		for _, r := range all {
			if r.Route == name && wanted(r) {
				return true
			}
		}
		return false
	})
}

// until asks again and again.
func (s *standing) until(what string, ok func() bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.Fatalf("not in time: %s; the demo says\n%s", what, s.out.all())
		}
	}
}

// run runs a command beside it, which finds it by itself.
func (s *standing) run(line string) string {
	s.Helper()
	r := runCommand(s.Context(), "", strings.Fields(line)...)
	if r.failed != nil {
		s.Fatalf("%s: %v\n%s%s", line, r.failed, r.out, r.err)
	}
	return r.out
}

func (w *watched) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
