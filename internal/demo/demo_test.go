package demo_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/inboxgate/inboxgate/internal/demo"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/platform"
)

// demoRoom keeps the demo's directory where the test can see that it has gone.
// A process has one Caddy, so these tests do not run beside each other.
func demoRoom(t *testing.T) (left func() []os.DirEntry) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return func() []os.DirEntry {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return entries
	}
}

func TestDemoOnce(t *testing.T) {
	left := demoRoom(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r := runCommand(ctx, "", "demo", "--once")
	if r.failed != nil || r.err != "" {
		t.Fatalf("%v: %s\n%s", r.failed, r.err, r.out)
	}
	for _, want := range []string{
		`platform   http://127\.0\.0\.1:\d+  an emulator`,
		`inboxgate  http://127\.0\.0\.1:\d+/webhooks/inbox\n`,
		`is registered there as wh_\w+, and has the secret`,
		`message\.delivered  200 accepted  +(< 1|\d+) ms   app has it after`,
		`message\.failed     200 accepted  +(< 1|\d+) ms   app has it after .* ms,\s+on-call has it after`,
		`message\.failed     200 duplicate `,
		`(?s)message\.action     401 .*message\.action     401 `,
		`20 of 20 got 200 accepted`,
		`on-call does not feel it: it has its 5 after`,
		`20 wait on disk for the app`,
		`all 20 are there`,
		`26 events, 26 attempts, each answered 200 at once`,
		`1 duplicate, answered 200, and 2 forgeries, all refused`,
		`26 deliveries to the app and 7 to on-call: none missing, none doubled, every byte as sent`,
	} {
		if !regexp.MustCompile(want).MatchString(r.out) && !regexp.MustCompile(want).MatchString(unwrapped(r.out)) {
			t.Errorf("the story does not say %q:\n%s", want, r.out)
		}
	}
	fits(t, r.out)
	if n := strings.Count(r.out, "\n"); n > 60 || strings.Contains(r.out, "\x1b") {
		t.Errorf("the story has %d lines, or colours:\n%q", n, r.out)
	}
	if l := left(); len(l) != 0 {
		t.Errorf("left behind: %v", l)
	}
	open, _ := filepath.Glob("/proc/self/fd/*") // None where there is no /proc.
	for _, fd := range open {
		if name, _ := os.Readlink(fd); strings.Contains(name, "inboxgate-demo-") && strings.Contains(name, "/store/") {
			t.Errorf("left open: %s", name)
		}
	}
}

// fits reports lines that a terminal of 80 columns would break in a word.
func fits(t *testing.T, out string) {
	t.Helper()
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 && strings.Contains(strings.TrimSpace(line), " ") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// unwrapped has each wrapped line as one again.
func unwrapped(out string) string {
	return regexp.MustCompile(`(?: \\)?\n +`).ReplaceAllString(out, " ")
}

func TestDemoKeeps(t *testing.T) {
	left := demoRoom(t)
	r := runCommand(t.Context(), "", "demo", "--once", "--keep")
	if r.failed != nil || len(left()) != 1 || !strings.Contains(r.out, left()[0].Name()+": Caddyfile") {
		t.Errorf("%v, %v: %s", r.failed, left(), r.out)
	}
}

// The demo has to notice what it promises to notice.
func TestDemoNotices(t *testing.T) {
	for _, tt := range []struct {
		name     string
		tampered func(giveUp func(), n int, body []byte) ([]byte, int)
		says     string
	}{
		{"a lost event", func(giveUp func(), n int, body []byte) ([]byte, int) {
			if n == 1 {
				// The story waits for it in vain; how long is not the question.
				time.AfterFunc(100*time.Millisecond, giveUp)
				return nil, http.StatusOK
			}
			return body, http.StatusOK
		}, "never reached app"},
		{"changed bytes", func(_ func(), n int, body []byte) ([]byte, int) {
			if n == 0 {
				body = append(bytes.Clone(body), ' ')
			}
			return body, http.StatusOK
		}, "with other bytes than were sent"},
		{"a wrong answer", func(_ func(), n int, body []byte) ([]byte, int) {
			if n == 2 {
				return body, http.StatusServiceUnavailable
			}
			return body, http.StatusOK
		}, "message.failed got 503 accepted and should have got 200 accepted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			left := demoRoom(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			faults, err := demo.Of(ctx, io.Discard, func(n int, body []byte) ([]byte, int) {
				return tt.tampered(cancel, n, body)
			})
			if err != nil || !strings.Contains(strings.Join(faults, "\n"), tt.says) {
				t.Errorf("%v: %q does not say %q", err, faults, tt.says)
			}
			if l := left(); len(l) != 0 {
				t.Errorf("left behind: %v", l)
			}
		})
	}
}

func TestDemoInterrupted(t *testing.T) {
	left := demoRoom(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	runCommand(ctx, "", "demo", "--once").complains(t, "stopped before the end of the story")
	if l := left(); len(l) != 0 {
		t.Errorf("left behind: %v", l)
	}
}

func TestDemoListen(t *testing.T) {
	left := demoRoom(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	runCommand(t.Context(), "", "demo", "--once", "--listen", l.Addr().String()).complains(t, "address already in use", "--listen")
	runCommand(t.Context(), "", "demo", "--once", "--listen", "nonsense").complains(t, "--listen")
	runCommand(t.Context(), "", "demo", "now").complains(t, `"now"`)
	if n := left(); len(n) != 0 {
		t.Errorf("left behind: %v", n)
	}
}

// watched tells as soon as the text written to it holds something.
type watched struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wants string
	seen  chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if w.wants != "" && strings.Contains(w.text.String(), w.wants) {
		w.wants = ""
		close(w.seen)
	}
	return len(p), nil
}

func (w *watched) await(t *testing.T, text string) string {
	t.Helper()
	w.mu.Lock()
	w.wants, w.seen = text, make(chan struct{})
	seen := w.seen
	w.mu.Unlock()
	_, _ = w.Write(nil)
	select {
	case <-seen:
	case <-time.After(patience):
		t.Errorf("no %q in the output", text)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func TestDemoStaysUp(t *testing.T) {
	left := demoRoom(t)
	pointers := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", pointers)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &watched{}
	root := program()
	root.SetOut(out)
	root.SetErr(out)
	root.SetArgs([]string{"inbox", "demo"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()

	text := out.await(t, "The configuration:")
	fits(t, text)
	shown := text
	text = unwrapped(text)
	find := func(pattern string) string {
		t.Helper()
		found := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("no %s in:\n%s", pattern, text)
		}
		return found[1]
	}
	t.Setenv(env.Admin, "")
	apiEnv(t, find(`INBOX_API_URL=(\S+)`), "", find(`INBOX_API_KEY_FILE=(\S+)`))
	t.Setenv(env.Secret, "")
	t.Setenv(env.SecretFile, find(`INBOX_WEBHOOK_SECRET_FILE=(\S+)`))
	r := runCommand(t.Context(), "", "trigger", "message.failed", "--to", find(`trigger all --to (\S+)`), "--override", "id=evt_mine")
	if r.failed != nil || !strings.Contains(r.out, "accepted") {
		t.Errorf("following the example: %+v", r)
	}
	out.await(t, "on-call  message.failed     evt_mine\n")
	out.await(t, "app      message.failed     evt_mine\n")
	self, err := os.Executable()
	if err != nil || !strings.Contains(shown, "\n  "+self+" inbox events list\n") {
		t.Errorf("no hint with the path of this program (%s, %v):\n%s", self, err, text)
	}
	// The operator's commands find it by its pointer, beside others of this machine.
	t.Setenv("INBOX_DATA_DIR", filepath.Join(filepath.Dir(find(`The configuration:\s+(\S+)`)), "store"))
	for args, want := range map[string]string{"events list": "evt_mine", "routes list": "on-call", "status": "takes"} {
		if r := runCommand(t.Context(), "", strings.Fields(args)...); r.failed != nil || !strings.Contains(r.out, want) {
			t.Errorf("%s beside the demo: %+v", args, r)
		}
	}
	id := find(`webhooks test (\S+)`)
	sent := object[platform.TestEvent](t, "test", id, "--type", "message.failed")
	out.await(t, "on-call  message.failed     "+sent.EventID+"\n")
	if logs := objects[platform.LogEntry](t, "logs", id); len(logs) < 26 {
		t.Errorf("%d lines in the log", len(logs))
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
	if text := out.await(t, "Stopped.\n"); strings.Contains(text, "Error") {
		t.Errorf("the output ends with an error:\n%s", text)
	}
	if l := left(); len(l) != 0 {
		t.Errorf("left behind: %v", l)
	}
}
