// Package express_test runs the example as its README tells: the Express app,
// inboxgate and a sender, each a process or a client of its own.
package express_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/verify"
)

const secret = "a secret of the express test"

func TestExpress(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "node", "npm")
	dir := proctest.InstallExpress(t, ".")
	for name, test := range map[string]func(*testing.T, string){
		"behind inboxgate":      behindInboxgate,
		"verifies by itself":    verifiesByItself,
		"refuses to run unsafe": refusesWithoutSecret,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, dir)
		})
	}
}

func behindInboxgate(t *testing.T, dir string) {
	bin, err := proctest.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	appAddress := proctest.FreeAddress(t)
	app := proctest.RunExpress(t, dir, appAddress, secret)
	gate, url := startInboxgate(t, bin, appAddress)

	// Each type gets to its handler. The app has verified the forwarded
	// signature by then, with the function of the documentation.
	logged := map[string]string{
		event.TypeMessageDelivered: "delivered ", event.TypeMessageRead: "read ",
		event.TypeMessageFailed: "failed ", event.TypeMessageAction: "action ",
	}
	var first []byte
	for typ, word := range logged {
		id, body := sample(t, typ)
		send(t, url, body, secret, http.StatusOK, "accepted")
		app.Await(t, word+id+" msg_", 1)
		if first == nil {
			first = body
		}
	}
	send(t, url, first, secret, http.StatusOK, "duplicate")
	forged, body := sample(t, event.TypeMessageRead)
	send(t, url, body, "the secret of somebody else", http.StatusUnauthorized, "")
	send(t, url, body, "", http.StatusUnauthorized, "")

	// While the app is down the answer stays 200, and what came waits.
	if code := app.Stop(t); code > 0 {
		t.Errorf("the app ended with exit code %d", code)
	}
	var waiting []string
	for range 5 {
		id, body := sample(t, event.TypeMessageDelivered)
		send(t, url, body, secret, http.StatusOK, "accepted")
		waiting = append(waiting, id)
	}
	again := proctest.RunExpress(t, dir, appAddress, secret)
	for _, id := range waiting {
		again.Await(t, "delivered "+id+" msg_", 1)
	}

	// SIGTERM waits for what runs, so the logs are complete: every event, and twice only
	// one whose answer the app's end has cut.
	if code := gate.Stop(t); code != 0 {
		t.Errorf("inboxgate ended with exit code %d", code)
	}
	both := app.Output() + again.Output()
	handled := make(map[string]bool)
	for _, id := range regexp.MustCompile(` evt_\w+`).FindAllString(both, -1) {
		handled[id] = true
	}
	if len(handled) != len(logged)+len(waiting) {
		t.Errorf("the app handled %d events, want %d:\n%s", len(handled), len(logged)+len(waiting), both)
	}
	if n := strings.Count(both, " evt_") - len(handled); n > 1 {
		t.Errorf("%d events were handled again", n)
	}
	if strings.Contains(both, forged) {
		t.Error("the forged event reached the app")
	}
}

// verifiesByItself: the app alone refuses what inboxgate would have refused
// before it, and never with a crash.
func verifiesByItself(t *testing.T, dir string) {
	address := proctest.FreeAddress(t)
	app := proctest.RunExpress(t, dir, address, secret)
	url := "http://" + address + "/webhooks/inbox"

	id, body := sample(t, event.TypeMessageFailed)
	good := verify.Sign([]byte(secret), body)
	for name, c := range map[string]struct {
		signature, contentType string
		want                   int
	}{
		"signed":             {good, "application/json", http.StatusOK},
		"bare hex":           {strings.TrimPrefix(good, "sha256="), "application/json", http.StatusOK},
		"no signature":       {"", "application/json", http.StatusUnauthorized},
		"short":              {good[:20], "application/json", http.StatusUnauthorized},
		"no hex":             {"sha256=xyz", "application/json", http.StatusUnauthorized},
		"another secret":     {verify.Sign([]byte("another secret of 16 bytes"), body), "application/json", http.StatusUnauthorized},
		"other content type": {good, "text/plain", http.StatusUnauthorized},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", c.contentType)
		if c.signature != "" {
			req.Header.Set(verify.Header, c.signature)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%s: status %d, want %d", name, res.StatusCode, c.want)
		}
	}
	app.Await(t, "failed "+id, 2)
	if out := app.Output(); strings.Contains(out, "Error") || strings.Contains(out, "+1555") {
		t.Errorf("the app wrote an error or a phone number:\n%s", out)
	}
}

func refusesWithoutSecret(t *testing.T, dir string) {
	app := proctest.StartExpress(t, dir, "127.0.0.1:0", "")
	if code := app.Wait(t); code != 1 || !strings.Contains(app.Output(), "set INBOX_WEBHOOK_SECRET") {
		t.Errorf("exit code %d: %s", code, app.Output())
	}
}

func startInboxgate(t *testing.T, bin, upstream string) (p *proctest.Process, url string) {
	t.Helper()
	listen, dir := proctest.FreeAddress(t), t.TempDir()
	cmd := exec.CommandContext(t.Context(), bin)
	cmd.Dir = dir
	cmd.Env = proctest.Env(dir, "INBOX_WEBHOOK_SECRET="+secret,
		"INBOX_UPSTREAM="+upstream, "INBOX_LISTEN="+listen)
	p = proctest.Start(t, cmd)
	p.Await(t, "serving initial configuration", 1)
	return p, "http://" + listen + "/webhooks/inbox"
}

func sample(t *testing.T, typ string) (id string, body []byte) {
	t.Helper()
	e, err := event.Sample(typ, time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err = e.Marshal(); err != nil {
		t.Fatal(err)
	}
	return e.ID, body
}

// send posts a body as the platform does; an empty secret sends no signature.
func send(t *testing.T, url string, body []byte, secret string, status int, result string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if secret != "" {
		req.Header.Set(verify.Header, verify.Sign([]byte(secret), body))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got := fmt.Sprint(res.StatusCode, " ", res.Header.Get("X-Inbox-Result"))
	if want := fmt.Sprint(status, " ", result); got != want {
		t.Errorf("answered %q, want %q", got, want)
	}
}
