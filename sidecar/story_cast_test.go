package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/platform/emulator"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/sidecar/sidecartest"
)

const (
	poisonMessage = "msg_poison"
	storyRoute    = `route="default",source="inbox"`
	storyKey      = "key-of-the-story"
)

// story is the operator, with an inboxgate, an app and the platform.
type story struct {
	t        *testing.T
	dir      string
	env      []string
	app      *storyApp
	gate     *sidecartest.Process
	platform string // The emulator's address.
	url, ops string
}

func newStory(t *testing.T) *story {
	e2eTools(t, "curl")
	dir := t.TempDir()
	s := &story{t: t, dir: dir, app: newStoryApp(t), platform: rig.Address(t), ops: rig.Address(t)}
	listen := rig.Address(t)
	s.url = "http://" + listen + "/webhooks/inbox"
	s.env = []string{
		"INBOX_API_KEY=" + storyKey, "INBOX_API_URL=http://" + s.platform,
		"INBOX_WEBHOOK_SECRET_FILE=" + filepath.Join(dir, "secret"),
		"INBOX_UPSTREAM=" + s.app.addr, "INBOX_LISTEN=" + listen, "INBOX_RETRY_SCHEDULE=" + storySchedule,
		"INBOX_OPS_LISTEN=" + s.ops, "INBOX_ADMIN=", "no_proxy=*",
	}
	s.app.start(t)
	return s
}

func (s *story) startEmulator() {
	s.t.Helper()
	p := sidecartest.Start(s.t, command(s.t, s.dir, s.env, "emulator", "--listen", s.platform, "--speed", strconv.Itoa(storySpeed)))
	p.Await(s.t, "Ctrl-C ends it", 1)
	s.cli("webhooks", "create", "--url", s.url, "--save-secret", filepath.Join(s.dir, "secret"))
}

func (s *story) startGate() {
	s.t.Helper()
	s.gate = sidecartest.Start(s.t, command(s.t, s.dir, s.env))
	s.gate.Await(s.t, started, 1)
}

// cli runs a command of inboxgate that has to succeed.
func (s *story) cli(args ...string) string {
	s.t.Helper()
	cmd := command(s.t, s.dir, s.env, args...)
	var out, bad bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &bad
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("inboxgate %q: %v\n%s%s", args, err, out.String(), bad.String())
	}
	return out.String()
}

func (s *story) curl(args ...string) []byte {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "curl", append([]string{"-sS", "--fail", "--max-time", "60"}, args...)...)
	cmd.Env = sidecartest.Env(s.dir, "no_proxy=*")
	var bad bytes.Buffer
	cmd.Stderr = &bad
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("curl %q: %v %s", args, err, bad.String())
	}
	return out
}

// send has the platform send events, and waits until all have their 200.
func (s *story) send(count int) {
	s.t.Helper()
	before := s.emulator().Counts.Delivered
	s.curl("-d", `{"count":`+strconv.Itoa(count)+`}`, "http://"+s.platform+"/_emulator/send")
	s.until("the platform has its answers", func() bool { return s.emulator().Counts.Delivered == before+count })
}

func (s *story) emulator() (state emulator.State) {
	s.t.Helper()
	if err := json.Unmarshal(s.curl("http://"+s.platform+"/_emulator/state?sent=false"), &state); err != nil {
		s.t.Fatal(err)
	}
	return state
}

// clock is the platform's.
func (s *story) clock() time.Time { return s.emulator().Now }

// metric reads one value of /metrics, 0 if there is none. labels are those after
// the metric's name, in the order of the alphabet.
func (s *story) metric(name, labels string) float64 {
	s.t.Helper()
	if labels != "" {
		labels = "{" + labels + "}"
	}
	lines := bufio.NewScanner(bytes.NewReader(s.curl("http://" + s.ops + "/metrics")))
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), name+labels+" "); ok {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

func compare(t *testing.T, value float64, with, text string) bool {
	t.Helper()
	than, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	switch with {
	case "==":
		return value == than
	case ">":
		return value > than
	}
	return value < than
}

// until asks until the answer is yes.
func (s *story) until(what string, yes func() bool) {
	s.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(sidecartest.Patience); time.Now().Before(end); <-tick.C {
		if yes() {
			return
		}
	}
	s.t.Fatalf("waited %s in vain until %s", sidecartest.Patience, what)
}

func linesOf[T any](s *story, text string) (all []T) {
	s.t.Helper()
	for line := range strings.Lines(text) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			s.t.Fatalf("%v in %q", err, line)
		}
		all = append(all, v)
	}
	return all
}

// storyApp fails, recovers, and cannot take one event until it is mended.
type storyApp struct {
	addr   string
	server *http.Server

	mu      sync.Mutex
	ids     map[string]bool
	mended  bool
	changed chan struct{} // Closed and replaced with each arrival.
	poison  http.Header   // How it came when it was taken.
}

func newStoryApp(t *testing.T) *storyApp {
	a := &storyApp{addr: rig.Address(t), ids: map[string]bool{}, changed: make(chan struct{})}
	t.Cleanup(a.stop)
	return a
}

func (a *storyApp) start(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	a.server = &http.Server{Handler: a}
	go func(s *http.Server) {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the app ended: %v", err)
		}
	}(a.server)
}

// stop answers what has begun, so that nothing is delivered twice.
func (a *storyApp) stop() {
	if a.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sidecartest.Patience)
	defer cancel()
	_ = a.server.Shutdown(ctx)
	a.server = nil
}

func (a *storyApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if bytes.Contains(body, []byte(poisonMessage)) {
		if !a.mended {
			http.Error(w, "no such button", http.StatusInternalServerError)
			return
		}
		a.poison = r.Header.Clone()
	} else {
		a.ids[r.Header.Get("X-Inbox-Event-Id")] = true
	}
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *storyApp) mend() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mended = true
}

// await returns once yes, which is asked after each arrival.
func (a *storyApp) await(t *testing.T, what string, yes func() bool) {
	t.Helper()
	timeout := time.NewTimer(sidecartest.Patience)
	defer timeout.Stop()
	for {
		a.mu.Lock()
		ok, changed, n := yes(), a.changed, len(a.ids)
		a.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("the app has %d events and waits for %s", n, what)
		}
	}
}

func (a *storyApp) awaitIDs(t *testing.T, n int) {
	t.Helper()
	a.await(t, strconv.Itoa(n)+" events", func() bool { return len(a.ids) == n })
}

func (a *storyApp) awaitPoison(t *testing.T) (h http.Header) {
	t.Helper()
	a.await(t, "the poison event", func() bool { h = a.poison; return h != nil })
	return h
}
