package e2e

import (
	"bytes"
	"errors"
	"net/http"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/verify"
)

const (
	oldSecret = "an-old-one-of-these-tests-4f2c"
	newSecret = "a-new-one-of-these-tests-91ab"
	started   = "serving initial configuration"
)

// command is the binary in dir with nothing in its environment but env.
func command(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Dir = dir
	cmd.Env = proctest.Env(dir, env...)
	return cmd
}

// run runs a command that ends by itself.
func run(t *testing.T, cmd *exec.Cmd) (code int, output string) {
	t.Helper()
	p := proctest.Start(t, cmd)
	code = p.Wait(t)
	return code, p.Output()
}

func sample(t *testing.T) []byte {
	t.Helper()
	e, err := event.Sample(event.TypeMessageRead, time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// post sends a body and returns status and X-Inbox-Result.
func post(t *testing.T, url string, body []byte, secret string) (int, string) {
	t.Helper()
	for tries := 0; ; tries++ {
		status, result, err := postOnce(t, url, body, secret)
		// A reload opens its listener beside the former one, whose queue it drops: a
		// connection that was made and not taken yet is reset, and its sender tries again.
		if errors.Is(err, syscall.ECONNRESET) && tries < 3 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return status, result
	}
}

func postOnce(t *testing.T, url string, body []byte, secret string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true // A reload closes idle connections, at any moment.
	req.Header.Set("Content-Type", "application/json")
	if secret != "" {
		req.Header.Set(verify.Header, verify.Sign([]byte(secret), body))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	return res.StatusCode, res.Header.Get("X-Inbox-Result"), nil
}

func wantPost(t *testing.T, url string, body []byte, secret string, status int, result string) {
	t.Helper()
	if s, r := post(t, url, body, secret); s != status || r != result {
		t.Errorf("got %d %q, want %d %q", s, r, status, result)
	}
}
