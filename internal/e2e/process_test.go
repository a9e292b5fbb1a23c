package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
	"github.com/inboxgate/inboxgate/verify"
)

func TestRunsOnEnvironmentAlone(t *testing.T) {
	t.Parallel()
	app := testapp.New(t, nil)
	listen, dir := proctest.FreeAddress(t), t.TempDir()
	p := proctest.Start(t, command(t, dir, []string{
		"INBOX_WEBHOOK_SECRET=" + newSecret + "," + oldSecret,
		"INBOX_UPSTREAM=" + app.Addr,
		"INBOX_LISTEN=" + listen,
		"INBOX_UPSTREAMS=x:1",
	}))
	p.Await(t, started, 1)
	p.Await(t, `"secrets":2`, 1)
	p.Await(t, "INBOX_UPSTREAMS is set and nothing reads it: did you mean INBOX_UPSTREAM?", 1)

	url := "http://" + listen + "/webhooks/inbox"
	for _, secret := range []string{newSecret, oldSecret} {
		body := sample(t)
		wantPost(t, url, body, secret, http.StatusOK, "accepted")
		d := app.Next(t)
		if !bytes.Equal(d.Body, body) || d.URI != "/webhooks/inbox" || d.Header.Get(verify.Header) != verify.Sign([]byte(secret), body) {
			t.Errorf("the app got another request: %s %s", d.URI, d.Body)
		}
		wantPost(t, url, body, secret, http.StatusOK, "duplicate")
	}
	wantPost(t, url, sample(t), "", http.StatusUnauthorized, "")
	wantPost(t, url, sample(t), "another secret, as long", http.StatusUnauthorized, "")
	// Nothing but the webhook may answer 2xx.
	for _, path := range []string{"", "/", "/webhooks", "/webhooks/inbox//", "/webhooks/inbox/x"} {
		wantPost(t, "http://"+listen+path, sample(t), newSecret, http.StatusNotFound, "")
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "caddy", "inbox")); err != nil {
		t.Errorf("the store is not in Caddy's data directory: %v", err)
	}
	if code := p.Stop(t); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	if out := p.Output(); strings.Contains(out, newSecret) || strings.Contains(out, oldSecret) {
		t.Error("a secret is in the log")
	}
	if left := app.Unread(); left != 0 {
		t.Errorf("%d deliveries too many", left)
	}
}

// A site with a host name leaves the other names of its port to Caddy, whose
// answer would be an empty 200.
func TestOtherHostsGet404(t *testing.T) {
	t.Parallel()
	app := testapp.New(t, nil)
	listen, dir := proctest.FreeAddress(t), t.TempDir()
	_, port, _ := strings.Cut(listen, ":")
	p := proctest.Start(t, command(t, dir, []string{
		"INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_UPSTREAM=" + app.Addr, "INBOX_LISTEN=http://hooks.localhost:" + port,
	}))
	p.Await(t, started, 1)
	for host, want := range map[string]int{"hooks.localhost:" + port: http.StatusOK, listen: http.StatusNotFound, "other.localhost": http.StatusNotFound} {
		body := sample(t)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+listen+"/webhooks/inbox", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set(verify.Header, verify.Sign([]byte(newSecret), body))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("host %s: status %d, want %d", host, res.StatusCode, want)
		}
	}
	if d := app.Next(t); d.Host != "hooks.localhost:"+port {
		t.Errorf("the app saw the host %q", d.Host)
	}
}

func TestSecretFileIsReadAgainOnReload(t *testing.T) {
	t.Parallel()
	app := testapp.New(t, nil)
	listen, dir := proctest.FreeAddress(t), t.TempDir()
	file := filepath.Join(dir, "secrets")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(oldSecret + "\n")
	p := proctest.Start(t, command(t, dir, []string{
		"INBOX_WEBHOOK_SECRET_FILE=" + file, "INBOX_UPSTREAM=" + app.Addr, "INBOX_LISTEN=" + listen,
	}))
	p.Await(t, started, 1)
	url := "http://" + listen + "/webhooks/inbox"
	wantPost(t, url, sample(t), newSecret, http.StatusUnauthorized, "")
	write(newSecret + "\n" + oldSecret + "\n")
	p.Signal(t, syscall.SIGUSR1)
	p.Await(t, "successfully reloaded config from file", 1)
	p.Await(t, `"secrets":2`, 1)
	for _, secret := range []string{newSecret, oldSecret} {
		wantPost(t, url, sample(t), secret, http.StatusOK, "accepted")
		app.Next(t)
	}
	// A file that became wrong keeps what runs.
	write("short\n")
	p.Signal(t, syscall.SIGUSR1)
	p.Await(t, "failed to reload config from file", 1)
	wantPost(t, url, sample(t), newSecret, http.StatusOK, "accepted")
	app.Next(t)
	if code := p.Stop(t); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
}

func TestWrongEnvironmentNeverStartsHalf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ env, want []string }{
		"nothing": {nil, []string{"no secret: set INBOX_WEBHOOK_SECRET", "no upstream: set INBOX_UPSTREAM"}},
		"all wrong": {
			[]string{"INBOX_WEBHOOK_SECRET=short", "INBOX_UPSTREAM=app", "INBOX_LISTEN=8080", "INBOX_WINDOW=1h", "INBOX_SECRETS=x"},
			[]string{"INBOX_WEBHOOK_SECRET: secret 1 of 1 has 5 bytes", "INBOX_UPSTREAM: ", "INBOX_LISTEN: ", "INBOX_WINDOW: ", "INBOX_SECRETS is set"},
		},
		"both secrets": {
			[]string{"INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_WEBHOOK_SECRET_FILE=/x", "INBOX_UPSTREAM=app:1"},
			[]string{"both INBOX_WEBHOOK_SECRET and INBOX_WEBHOOK_SECRET_FILE are set"},
		},
		"blank secret": {
			[]string{"INBOX_WEBHOOK_SECRET=   ", "INBOX_UPSTREAM=app:1"},
			[]string{"no secret: set INBOX_WEBHOOK_SECRET"},
		},
		"no secret file": {
			[]string{"INBOX_WEBHOOK_SECRET_FILE=nowhere/secret", "INBOX_UPSTREAM=app:1"},
			[]string{"reading INBOX_WEBHOOK_SECRET_FILE: open nowhere/secret: no such file or directory: set it to the path of a file"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			code, out := run(t, command(t, dir, c.env))
			if code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			for _, want := range c.want {
				if !strings.Contains(out, "\n  - "+want) {
					t.Errorf("%q is not told:\n%s", want, out)
				}
			}
			if strings.Contains(out, "goroutine ") || strings.Contains(out, `"level"`) {
				t.Errorf("that is no plain text:\n%s", out)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("it left something behind: %v, %v", left, err)
			}
		})
	}
}

func mount(t *testing.T, dir, text string) {
	t.Helper()
	path := filepath.Join(dir, proctest.Mounted)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMountedCaddyfileReplacesTheBuiltIn(t *testing.T) {
	t.Parallel()
	app := testapp.New(t, nil)
	listen, dir := proctest.FreeAddress(t), t.TempDir()
	mount(t, dir, fmt.Sprintf(`{
	admin off
}
http://%s {
	inbox_webhook /elsewhere %s
	respond "mounted" 418
}
`, listen, app.Addr))
	// The environment alone would be refused.
	p := proctest.Start(t, command(t, dir, []string{"INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_LISTEN=nonsense!"}))
	p.Await(t, started, 1)
	wantPost(t, "http://"+listen+"/elsewhere", sample(t), newSecret, http.StatusOK, "accepted")
	if d := app.Next(t); d.URI != "/elsewhere" {
		t.Errorf("the app got %s", d.URI)
	}
	wantPost(t, "http://"+listen+"/webhooks/inbox", sample(t), newSecret, http.StatusTeapot, "")
	if code := p.Stop(t); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
}

func TestBrokenMountedCaddyfileIsNoReasonForTheBuiltIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mount(t, dir, ":0 {\n\tinbox_webhook /webhooks/inbox app\n}\n")
	code, out := run(t, command(t, dir, []string{"INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_UPSTREAM=app:3000"}))
	if code == 0 || !strings.Contains(out, proctest.Mounted+":2") || strings.Contains(out, started) {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	body := sample(t)
	sign := command(t, t.TempDir(), []string{"INBOX_WEBHOOK_SECRET=" + newSecret}, "sign")
	sign.Stdin = bytes.NewReader(body)
	if code, out := run(t, sign); code != 0 || strings.TrimSpace(out) != verify.Sign([]byte(newSecret), body) {
		t.Errorf("sign: exit code %d: %s", code, out)
	}
	for _, c := range []struct {
		arg  string
		want []string
	}{
		{"version", []string{"inboxgate ", "\ncaddy v2."}},
		{"list-modules", []string{"\nhttp.handlers.inbox_webhook\n", "\ninbox\n", "\ncaddy.adapters.inboxgate-env\n"}},
		{"help", []string{"inboxgate takes the webhooks", "INBOX_WEBHOOK_SECRET", "INBOX_UPSTREAM", "validate"}},
	} {
		code, out := run(t, command(t, t.TempDir(), nil, c.arg))
		for _, want := range c.want {
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("%s: exit code %d, %q is missing:\n%s", c.arg, code, want, out)
			}
		}
	}
}
