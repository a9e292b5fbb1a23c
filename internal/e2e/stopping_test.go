package e2e

import (
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
)

// While a process stops it is alive and not ready, so that those who look away
// from what is not ready do so before it is gone. What comes all the same is
// taken.
func TestStoppingIsNotReady(t *testing.T) {
	t.Parallel()
	app := testapp.New(t, nil)
	listen, dir := proctest.FreeAddress(t), t.TempDir()
	mount(t, dir, fmt.Sprintf(`{
	admin off
	shutdown_delay 3s
}
http://%s {
	inbox_health
	inbox_webhook /hook %s
	respond 404
}
`, listen, app.Addr))
	p := proctest.Start(t, command(t, dir, []string{"INBOX_WEBHOOK_SECRET=" + newSecret}))
	p.Await(t, started, 1)
	if status, body := probe(t, listen, "/readyz"); status != http.StatusOK || body != "OK\n" {
		t.Fatalf("before: %d %q", status, body)
	}
	p.Signal(t, syscall.SIGTERM)
	p.Await(t, "shutting down apps, then terminating", 1)
	for end := time.Now().Add(proctest.Patience); ; {
		status, body := probe(t, listen, "/readyz")
		if status == http.StatusServiceUnavailable && body == "stopping\n" {
			break
		}
		if status != http.StatusOK || time.Now().After(end) {
			t.Fatalf("while it stops: %d %q", status, body)
		}
	}
	if status, _ := probe(t, listen, "/healthz"); status != http.StatusOK {
		t.Errorf("while it stops /healthz answers %d", status)
	}
	wantPost(t, "http://"+listen+"/hook", sample(t), newSecret, http.StatusOK, "accepted")
	if code := p.Wait(t); code != 0 {
		t.Errorf("it ends with exit code %d", code)
	}
}

func probe(t *testing.T, address, path string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}
