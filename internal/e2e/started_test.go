package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// logged are the lines that a process has written, as JSON.
func logged(t *testing.T, p *proctest.Process) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(p.Output()) {
		m := make(map[string]any)
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Errorf("no line of a log: %q", line)
			continue
		}
		all = append(all, m)
	}
	return all
}

// A start with nothing wrong warns of nothing, and says in one line where it
// takes webhooks, brings them, keeps them, and is operated.
func TestHealthyStartWarnsOfNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pages := proctest.FreeAddress(t)
	listen, ops, operator := proctest.FreeAddress(t), proctest.FreeAddress(t), proctest.FreeAddress(t)
	data := filepath.Join(dir, "d")
	for name, c := range map[string]struct {
		env  []string
		want string
	}{
		"the socket by default": {[]string{"INBOX_ADMIN="}, "unix/" + data + "/admin.sock"},
		"off":                   {[]string{"INBOX_ADMIN=off"}, "off"},
		"loopback":              {[]string{"INBOX_ADMIN=" + operator}, operator},
		"a dashboard":           {[]string{"INBOX_DASHBOARD=" + pages}, "off"},
		"a proxy in front":      {[]string{"INBOX_TRUSTED_PROXIES=private_ranges"}, "off"},
		"other machines":        {[]string{"INBOX_ADMIN=0.0.0.0:" + strings.Split(operator, ":")[1], "INBOX_ADMIN_TOKEN=" + adminToken}, "http://0.0.0.0:" + strings.Split(operator, ":")[1] + " with the token"},
	} {
		p := proctest.Start(t, command(t, dir, append([]string{
			"INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_LISTEN=" + listen, "INBOX_OPS_LISTEN=" + ops, "INBOX_DATA_DIR=" + data,
			"INBOX_UPSTREAM=http://app:3000/hooks?key=a-key", "INBOX_UPSTREAM_MESSAGE_FAILED=a:1,b:1",
		}, c.env...)))
		p.Await(t, started, 1)
		said := 0
		for _, line := range logged(t, p) {
			if l := line["level"]; l != "info" && l != "debug" {
				t.Errorf("%s: %v", name, line)
			}
			if line["msg"] != "inboxgate takes webhooks" {
				continue
			}
			said++
			if line["at"] != "http://"+listen+"/webhooks/inbox" || line["store"] != data || line["probes_and_metrics"] != "http://"+ops || line["operator"] != c.want {
				t.Errorf("%s: %v", name, line)
			}
			raw, _ := json.Marshal(line["deliver"])
			if string(raw) != `["default to http://app:3000/hooks","message.failed to a:1 or b:1"]` {
				t.Errorf("%s: it delivers %s", name, raw)
			}
		}
		if said != 1 {
			t.Errorf("%s: the line is there %d times", name, said)
		}
		if code := p.Stop(t); code != 0 {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
}

// What a start warns of stands once in its log.
func TestStartWarnsOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := proctest.Start(t, command(t, dir, []string{
		"INBOX_WEBHOOK_SECRET='" + newSecret + "'", "INBOX_LISTEN=" + proctest.FreeAddress(t), "INBOX_OPS_LISTEN=" + proctest.FreeAddress(t), "INBOX_ADMIN=off",
		"INBOX_UPSTREAM=http://127.0.0.1:1/", "INBOX_UPSTREAM_MESSAGE_FAILED=http://127.0.0.1:2/", "INBOX_UPSTREAMS=x",
	}))
	p.Await(t, started, 1)
	p.Await(t, "inboxgate takes webhooks", 1)
	times := make(map[string]int)
	for _, line := range logged(t, p) {
		if line["level"] == "info" || line["level"] == "debug" {
			continue
		}
		raw, _ := json.Marshal([]any{line["msg"], line["warning"], line["upstream"]})
		times[string(raw)]++
	}
	for text, n := range times {
		if n != 1 {
			t.Errorf("%d times: %s", n, text)
		}
	}
	for _, want := range []string{"'http://127.0.0.1:1/' ends in a slash", "'http://127.0.0.1:2/' ends in a slash", "nothing reads it", "quot"} {
		if !strings.Contains(p.Output(), want) {
			t.Errorf("%q is not in the log:\n%s", want, p.Output())
		}
	}
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// The built-in configuration speaks HTTP/1 alone where there is no TLS: not even
// a client that begins with HTTP/2 unasked is understood.
func TestNoHTTP2WithoutTLS(t *testing.T) {
	t.Parallel()
	dir, listen, ops := t.TempDir(), proctest.FreeAddress(t), proctest.FreeAddress(t)
	p := proctest.Start(t, command(t, dir, []string{
		"INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_LISTEN=" + listen, "INBOX_OPS_LISTEN=" + ops, "INBOX_UPSTREAM=127.0.0.1:1",
	}))
	p.Await(t, started, 1)
	unasked := &http.Transport{Protocols: new(http.Protocols)}
	unasked.Protocols.SetUnencryptedHTTP2(true)
	for _, url := range []string{"http://" + listen + "/webhooks/inbox", "http://" + ops + "/healthz"} {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if res, err := unasked.RoundTrip(q); err == nil {
			res.Body.Close()
			t.Errorf("%s answers HTTP/2 with %d", url, res.StatusCode)
		}
		// It is well all the same.
		if res, err := http.Get(url); err != nil || res.ProtoMajor != 1 {
			t.Errorf("%s: %v, %v", url, res, err)
		} else {
			res.Body.Close()
		}
	}
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
