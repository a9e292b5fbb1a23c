package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/verify"
)

// auditLines are the lines of a log that Caddy was told to write.
func auditLines(t *testing.T, path string) (lines []map[string]any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(raw)) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			return nil // It is being written.
		}
		lines = append(lines, m)
	}
	return lines
}

// The audit log can have a file of its own. It has a line for each event that
// was answered 200 and each delivery that ended, with ids and types and never
// more; a stranger's request has none.
func TestAuditLog(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.Header.Get("X-Inbox-Event-Type") == "message.failed" {
			w.WriteHeader(http.StatusGone)
		}
	})
	path := filepath.Join(t.TempDir(), "audit.log")
	const source = "audit"
	// The rig's own log option is the default one; it takes the exclusion there.
	in := start(t, fmt.Sprintf("log audit {\noutput file %s {\nroll_disabled\n}\ninclude inbox.audit\n}", path),
		fmt.Sprintf("inbox_webhook /hook {\nname %s\nto %s {\nname app\n}\n}", source, app.addr()))
	url := in.url("/hook")
	id, body := sample(t, "message.read")
	dead, deadBody := sample(t, "message.failed")
	post(t, url, body)
	post(t, url, body)
	post(t, url, append([]byte(" "), body...))
	post(t, url, []byte(`{"phone":"+15550001111"}`))
	post(t, url, deadBody)
	forged := request(t, url, body)
	forged.Header.Set(verify.Header, verify.Sign([]byte("another-secret-of-somebody"), body))
	send(t, forged)

	want := map[string]int{
		"event taken " + id + " accepted": 1, "event taken " + id + " duplicate": 1, "event taken " + id + " quarantined": 1,
		"event taken  quarantined": 1, "event taken " + dead + " accepted": 1,
		"delivery ended " + id + " delivered": 1, "delivery ended " + dead + " dead": 1,
	}
	eventually(t, "seven lines", func() bool { return len(auditLines(t, path)) >= len(want) })
	got := make(map[string]int)
	for _, m := range auditLines(t, path) {
		if m["logger"] != "inbox.audit" || m["source"] != source || m["level"] != "info" {
			t.Errorf("a line of another kind: %v", m)
		}
		result, _ := m["result"].(string)
		if result == "" {
			result, _ = m["state"].(string)
			if m["route"] != "app" || m["event_type"] == "" || m["attempts"] != 1.0 {
				t.Errorf("the line of a delivery lacks something: %v", m)
			}
		}
		got[fmt.Sprintf("%s %s %s", m["msg"], m["event_id"], result)]++
	}
	for line, n := range want {
		if got[line] != n {
			t.Errorf("%d lines %q, want %d", got[line], line, n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("lines: %v", got)
	}
	raw, _ := os.ReadFile(path)
	for _, never := range []string{"+1555", "sha256=", verify.Sign([]byte(secret), body)[7:], `"data"`, secret} {
		if strings.Contains(string(raw), never) {
			t.Errorf("the audit log holds %q", never)
		}
	}
}

// The default log can do without the audit lines, and both logs without
// signatures, as the example of examples/monitoring has it.
func TestAuditLogExcluded(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, nil)
	in := start(t, "", "") // Takes the turn; the configuration is the one below.
	readme, err := os.ReadFile("../examples/monitoring/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(readme), "## Logs without signatures")
	_, example, ok2 := strings.Cut(example, "```caddy\n")
	example, _, ok3 := strings.Cut(example, "```")
	if !ok || !ok2 || !ok3 {
		t.Fatal("the example has no Caddyfile for logs")
	}
	audit, all, access := filepath.Join(t.TempDir(), "audit.log"), filepath.Join(t.TempDir(), "all.log"), filepath.Join(t.TempDir(), "access.log")
	example = strings.NewReplacer(
		"/var/log/inboxgate/audit.log", audit,
		"\tlog default {\n", "\tadmin off\n\tpersist_config off\n\tdebug\n\tinbox {\n\t\tdata_dir "+in.dir+"\n\t}\n\tlog default {\n\t\toutput file "+all+"\n",
		"hooks.example.com {\n\tlog {\n", "http://:"+in.port+" {\n\tbind "+in.bind+"\n\tlog {\n\t\toutput file "+access+"\n",
		"app:3000", app.addr(),
	).Replace(example)
	raw, err := adapt(t, "Caddyfile", example)
	if err != nil {
		t.Fatal(err)
	}
	if err := loadRaw(raw); err != nil {
		t.Fatal(err)
	}
	id, body := sample(t, "message.read")
	post(t, in.url("/webhooks/inbox"), body)
	app.await(t, id)
	eventually(t, "the audit lines", func() bool { return len(auditLines(t, audit)) == 2 })
	eventually(t, "the access log", func() bool { return len(auditLines(t, access)) == 1 })
	for _, path := range []string{all, access} {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(raw); strings.Contains(text, "sha256=") || strings.Contains(text, "inbox.audit") {
			t.Errorf("%s holds a signature or audit lines:\n%s", filepath.Base(path), text)
		}
	}
	if raw, _ := os.ReadFile(all); !strings.Contains(string(raw), "upstream roundtrip") {
		t.Error("the default log was not at debug, so this test has seen nothing")
	}
}
