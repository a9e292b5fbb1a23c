package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
	"github.com/inboxgate/inboxgate/verify"
)

// The commands of the platform's documentation, as they stand there.
const (
	curlRegister = `curl -X POST https://api.getinbox.app/v1/webhooks \
  -H "Authorization: Bearer YOUR_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "url": "https://yourapp.com/webhooks/inbox",
    "events": ["message.delivered", "message.read", "message.failed"],
    "description": "Production webhook endpoint"
  }'`
	curlTest = `curl -X POST https://api.getinbox.app/v1/webhooks/test \
  -H "Authorization: Bearer YOUR_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "webhook_id": "wh_1234567890",
    "event_type": "message.delivered"
  }'`
	curlLogs = `curl -X GET https://api.getinbox.app/v1/webhooks/wh_123/logs \
  -H "Authorization: Bearer YOUR_API_KEY"`
	// Of these the documentation shows the first line only.
	curlList   = `curl -X GET https://api.getinbox.app/v1/webhooks -H "Authorization: Bearer YOUR_API_KEY"`
	curlUpdate = `curl -X PUT https://api.getinbox.app/v1/webhooks/wh_123 -H "Authorization: Bearer YOUR_API_KEY" -H "Content-Type: application/json" -d '{"url": "URL"}'`
	curlDelete = `curl -X DELETE https://api.getinbox.app/v1/webhooks/wh_123 -H "Authorization: Bearer YOUR_API_KEY"`
)

// curlRun is the emulator as a process, and what is put into the commands.
type curlRun struct {
	t    *testing.T
	host string
}

// run runs a command with the host replaced, and pairs of words too. The answer
// holds a JSON object, or nothing with 204.
func (c curlRun) run(command string, status int, words ...string) map[string]any {
	c.t.Helper()
	words = append([]string{"https://api.getinbox.app", "http://" + c.host, "curl ", "curl -sS -i --max-time 30 "}, words...)
	command = strings.NewReplacer(words...).Replace(command)
	cmd := exec.CommandContext(c.t.Context(), "sh", "-ec", command)
	cmd.Env = proctest.Env(c.t.TempDir(), "no_proxy=*")
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("%v\n%s\n%s", err, command, out)
	}
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
	if err != nil {
		c.t.Fatalf("%v\n%s\n%s", err, command, out)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	var value map[string]any
	if err == nil && status != http.StatusNoContent {
		err = json.Unmarshal(body, &value)
	}
	if err != nil || res.StatusCode != status || status == http.StatusNoContent && len(body) > 0 {
		c.t.Fatalf("want %d: %v\n%s\n%s", status, err, command, out)
	}
	return value
}

func TestE2EPlatformCurl(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "curl")
	app := testapp.New(t, nil)
	c := curlRun{t, proctest.FreeAddress(t)}
	p := proctest.Start(t, command(t, t.TempDir(), []string{"INBOX_API_KEY=YOUR_API_KEY"}, "emulator", "--listen", c.host))
	p.Await(t, "/_emulator/send", 1)

	hook := c.run(curlRegister, http.StatusCreated)
	id, _ := hook["id"].(string)
	secret, _ := hook["secret"].(string)
	if !strings.HasPrefix(id, "wh_") || len(secret) < verify.MinSecret || hook["url"] != "https://yourapp.com/webhooks/inbox" || hook["description"] != "Production webhook endpoint" {
		t.Errorf("registered %v", hook)
	}
	if events, _ := hook["events"].([]any); !slices.Equal(events, []any{event.TypeMessageDelivered, event.TypeMessageRead, event.TypeMessageFailed}) {
		t.Errorf("registered for %v", events)
	}
	c.run(curlRegister, http.StatusUnauthorized, "YOUR_API_KEY", "ANOTHER_KEY")
	c.run(curlTest, http.StatusNotFound)
	c.run(curlLogs, http.StatusNotFound)

	// The receiver is on this machine, so that is where the events have to go.
	url := "http://" + app.Addr + "/webhooks/inbox"
	if w := c.run(curlUpdate, http.StatusOK, "wh_123", id, "URL", url); w["url"] != url || w["id"] != id {
		t.Errorf("updated %v", w)
	}
	test := c.run(curlTest, http.StatusAccepted, "wh_1234567890", id)
	d := app.Next(t)
	e, err := event.Parse(d.Body)
	if err != nil || e.Type != event.TypeMessageDelivered || e.ID != test["event_id"] || d.URI != "/webhooks/inbox" {
		t.Errorf("the receiver got %s: %v; the test told of %v", d.Body, err, test)
	}
	if _, err := event.Data[event.MessageDelivered](e); err != nil || d.Header.Get("Content-Type") != "application/json" ||
		d.Header.Get(verify.Header) != verify.Sign([]byte(secret), d.Body) {
		t.Errorf("the receiver got %v %v", err, d.Header)
	}
	c.wantLog(id, e.ID)

	if all, _ := c.run(curlList, http.StatusOK)["data"].([]any); len(all) != 1 {
		t.Errorf("listed %v", all)
	}
	c.run(curlDelete, http.StatusNoContent, "wh_123", id)
	c.run(curlLogs, http.StatusNotFound, "wh_123", id)
	p.Signal(t, syscall.SIGINT)
	if code := p.Wait(t); code != 0 || strings.Contains(p.Output(), "YOUR_API_KEY") || !strings.HasSuffix(p.Output(), "\nStopped.\n") {
		t.Errorf("Ctrl-C: exit code %d:\n%s", code, p.Output())
	}
}

// wantLog waits for the log of one delivery: the receiver has it before the
// emulator knows of its answer.
func (c curlRun) wantLog(hook, event string) {
	c.t.Helper()
	var list []any
	// Each turn is a process, which takes its time.
	for turn := 0; len(list) == 0 && turn < 1000; turn++ {
		list, _ = c.run(curlLogs, http.StatusOK, "wh_123", hook)["data"].([]any)
	}
	if len(list) != 1 {
		c.t.Fatalf("logs %v", list)
	}
	entry, _ := list[0].(map[string]any)
	if entry["event_id"] != event || entry["status"] != platform.LogDelivered || entry["attempt"] != 1.0 || entry["response_status"] != 200.0 {
		c.t.Errorf("logs %v", list)
	}
}
