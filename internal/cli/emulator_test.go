package cli_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/internal/platform/emulator"
)

// emulatorRun is the command, as it runs.
type emulatorRun struct {
	url    string
	text   string // What it says when it begins.
	cancel context.CancelFunc
	out    *watched
	ended  chan error
}

func runEmulator(t *testing.T, args ...string) *emulatorRun {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &emulatorRun{cancel: cancel, out: &watched{}, ended: make(chan error, 1)}
	root := program()
	root.SetOut(r.out)
	root.SetErr(r.out)
	root.SetArgs(append([]string{"inbox", "emulator", "--listen", "127.0.0.1:0"}, args...))
	go func() { r.ended <- root.ExecuteContext(ctx) }()
	r.text = r.out.await(t, "/_emulator/send\n")
	if found := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(r.text); found != "" {
		r.url = found
	} else {
		t.Fatalf("no URL in\n%s", r.text)
	}
	return r
}

// stop is Ctrl-C.
func (r *emulatorRun) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("Ctrl-C: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if text := r.out.await(t, "\nStopped.\n"); strings.Contains(text, "Error") {
		t.Errorf("it says %s", text)
	}
}

func TestEmulatorCommand(t *testing.T) {
	apiEnv(t, "", "", "")
	came := make(chan string, 16)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { came <- r.URL.Path }))
	defer app.Close()
	dir := t.TempDir()

	r := runEmulator(t, "--data", dir, "--speed", "600", "--seed", "7", "--verbose")
	key := regexp.MustCompile(`(?m)^Its API key: (\S+)$`).FindStringSubmatch(r.text)
	export := regexp.MustCompile(`(?m)^  export INBOX_API_URL=(\S+) INBOX_API_KEY=(\S+)$`).FindStringSubmatch(r.text)
	if key == nil || export == nil || export[1] != r.url || export[2] != key[1] {
		t.Fatalf("no key, or no line to copy:\n%s", r.text)
	}
	for _, want := range []string{
		"\nIn a browser: " + r.url + "/\n",
		"\n  caddy inbox webhooks create --url http://127.0.0.1:8080/webhooks/inbox\n",
		"\n  curl -d '{\"count\":10}' " + r.url + "/_emulator/send\n",
	} {
		if !strings.Contains(r.text, want) {
			t.Errorf("no %q in\n%s", want, r.text)
		}
	}
	// Following the lines.
	apiEnv(t, export[1], export[2], "")
	w := object[platform.Webhook](t, "create", "--url", app.URL+"/webhooks/inbox")
	resp, err := http.Post(r.url+"/_emulator/send", "application/x-www-form-urlencoded", strings.NewReader(`{"count":10}`))
	if err != nil {
		t.Fatal(err)
	}
	var job emulator.Job
	if err := json.NewDecoder(resp.Body).Decode(&job); err != nil || job.Seed != 7 || resp.Body.Close() != nil {
		t.Errorf("the job is %+v: %v", job, err)
	}
	for range 10 {
		if path := <-came; path != "/webhooks/inbox" {
			t.Errorf("an event came to %s", path)
		}
	}
	if text := r.out.await(t, "state=delivered"); strings.Contains(text, w.Secret) || strings.Contains(text, "+1555") {
		t.Errorf("the lines tell a secret or a number:\n%s", text)
	}
	page, err := http.Get(r.url + "/")
	if err != nil || page.StatusCode != http.StatusOK || page.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("its page: %v, %v", page, err)
	}
	if err == nil {
		page.Body.Close()
	}
	r.stop(t)

	// The directory holds webhooks and key, and a key of one's own is not shown.
	apiEnv(t, "", "", "")
	again := runEmulator(t, "--data", dir)
	if !strings.Contains(again.text, key[0]) {
		t.Errorf("another key than before:\n%s", again.text)
	}
	again.stop(t)
	apiEnv(t, "", apiKey, "")
	mine := runEmulator(t, "--data", dir)
	if strings.Contains(mine.text, apiKey) || strings.Contains(mine.text, " INBOX_API_KEY=") {
		t.Errorf("it shows the key of the environment:\n%s", mine.text)
	}
	if all := objects[platform.Webhook](t, "list", "--api-url", mine.url); len(all) != 1 || all[0].ID != w.ID {
		t.Errorf("after a restart: %+v", all)
	}
	mine.stop(t)
}

func TestEmulatorMistakes(t *testing.T) {
	apiEnv(t, "", "", "")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := writeFile(t, "no directory")
	damaged := t.TempDir()
	if err := os.WriteFile(damaged+"/emulator.json", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		says []string
	}{
		{"taken", []string{"--listen", taken.Addr().String()}, []string{"address already in use", "--listen"}},
		{"every address", []string{"--listen", ":0"}, []string{"not loopback", "--allow-remote"}},
		{"every address by number", []string{"--listen", "0.0.0.0:0"}, []string{"not loopback"}},
		{"another address", []string{"--listen", "192.0.2.1:4000"}, []string{"not loopback"}},
		{"no port", []string{"--listen", "127.0.0.1"}, []string{"--listen", "missing port"}},
		{"unknown host", []string{"--listen", "no host:1"}, []string{"--listen"}},
		{"speed zero", []string{"--speed", "0"}, []string{"--speed"}},
		{"speed below zero", []string{"--speed=-1"}, []string{"speed is -1"}},
		{"speed is no number", []string{"--speed", "fast"}, []string{"--speed"}},
		{"no directory", []string{"--data", file}, []string{"directory"}},
		{"damaged", []string{"--data", damaged}, []string{"damaged"}},
		{"argument", []string{"now"}, []string{`"now"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"emulator", "--listen", "127.0.0.1:0"}, tt.args...)
			runCommand(t.Context(), "", args...).complains(t, tt.says...)
		})
	}
	apiEnv(t, "", "", "/no/such/file")
	runCommand(t.Context(), "", "emulator").complains(t, "reading INBOX_API_KEY_FILE")
}

func TestEmulatorAllowRemote(t *testing.T) {
	apiEnv(t, "", apiKey, "")
	r := runEmulator(t, "--listen", "0.0.0.0:0", "--allow-remote")
	if all := objects[platform.Webhook](t, "list", "--api-url", r.url); len(all) != 0 {
		t.Errorf("listed %+v", all)
	}
	r.stop(t)
}
