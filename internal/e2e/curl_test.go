package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// e2eScript is what a user types who has only OpenSSL and curl.
const e2eScript = `set -eu
case $1 in
fresh) # prints the event with the present time as its created_at
	sed "s/\"created_at\": \"[^\"]*\"/\"created_at\": \"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"/" "$2" ;;
sign) # prints the signature of a file
	openssl dgst -sha256 -hmac "$INBOX_WEBHOOK_SECRET" "$2" | sed 's/^.*= */sha256=/' ;;
send) # posts a file with a signature
	curl -sS -i --max-time 30 -H 'Content-Type: application/json' \
		-H "X-Inbox-Signature: $3" --data-binary "@$2" "$INBOX_URL" ;;
send-empty) # the header is there, and nothing in it
	curl -sS -i --max-time 30 -H 'Content-Type: application/json' \
		-H 'X-Inbox-Signature;' --data-binary "@$2" "$INBOX_URL" ;;
send-unsigned)
	curl -sS -i --max-time 30 -H 'Content-Type: application/json' \
		--data-binary "@$2" "$INBOX_URL" ;;
esac
`

// e2eShell runs the script in dir.
type e2eShell struct {
	t        *testing.T
	dir, url string
}

func (s e2eShell) run(args ...string) []byte {
	s.t.Helper()
	var out, bad bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), "sh", append([]string{"-c", e2eScript, "inbox"}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &bad
	cmd.Env = proctest.Env(s.dir, "INBOX_WEBHOOK_SECRET="+rig.Secret, "INBOX_URL="+s.url)
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%v: %v\n%s\n%s\nthe script:\n%s", args, err, bad.String(), out.String(), e2eScript)
	}
	return out.Bytes()
}

// e2eAnswer is what curl printed.
type e2eAnswer struct {
	status int
	head   http.Header
	body   string
}

func (s e2eShell) send(verb string, args ...string) e2eAnswer {
	s.t.Helper()
	out := s.run(append([]string{verb}, args...)...)
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", verb, err, out)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", verb, err, out)
	}
	return e2eAnswer{res.StatusCode, res.Header, string(body)}
}

// want sends a file and checks what was answered.
func (s e2eShell) want(file, signature string, status int, result, reason string) {
	s.t.Helper()
	a := s.send("send", file, signature)
	got := a.head.Get("X-Inbox-Reason")
	if a.status != status || a.head.Get("X-Inbox-Result") != result || !strings.Contains(got, reason) || (reason == "") != (got == "") {
		s.t.Errorf("%s: got %d %v %q, want %d, %s, %q\nthe script:\n%s", file, a.status, a.head, a.body, status, result, reason, e2eScript)
	}
}

// event signs a file that goes to the routes.
func (s e2eShell) event(file string) history.Event {
	s.t.Helper()
	body, err := os.ReadFile(filepath.Join(s.dir, file))
	if err != nil {
		s.t.Fatal(err)
	}
	parsed, err := event.Parse(body)
	if err != nil {
		s.t.Fatal(err)
	}
	e := history.Event{ID: parsed.ID, Type: parsed.Type, Body: body, Signature: strings.TrimSpace(string(s.run("sign", file))), Routes: []string{"all"}}
	if e.Type == event.TypeMessageFailed {
		e.Routes = append(e.Routes, "oncall")
	}
	return e
}

// documented puts the four events of the platform's documentation into dir.
func (s e2eShell) documented() (files []string) {
	s.t.Helper()
	for _, typ := range []string{"failed", "delivered", "read", "action"} {
		body, err := os.ReadFile("../../event/testdata/message." + typ + ".json")
		if err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, typ+".json"), body, 0o600); err != nil {
			s.t.Fatal(err)
		}
		files = append(files, typ+".json")
	}
	return files
}

// TestE2ECurl is the main job by hand: the documented events, signed by OpenSSL
// and sent by curl.
func TestE2ECurl(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "openssl", "curl")
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	r := rig.New(t, rig.Options{Binary: bin, Routes: []rig.Route{{Name: "all", Types: "message.*"}, {Name: "oncall", Types: event.TypeMessageFailed}}})
	r.App("oncall").Stop()
	p := r.Start()
	sh := e2eShell{t: t, dir: r.Dir, url: r.URL}

	files := sh.documented()
	for _, f := range files { // Their created_at is of 2025.
		sh.want(f, strings.TrimSpace(string(sh.run("sign", f))), http.StatusOK, "quarantined", "window")
	}
	// Quarantine claims no id, so the same ids are new.
	var sent []history.Event
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(r.Dir, "fresh-"+f), sh.run("fresh", f), 0o600); err != nil {
			t.Fatal(err)
		}
		e := sh.event("fresh-" + f)
		r.Log.Sending(e, p.N)
		sent = append(sent, e)
		if e.Type == event.TypeMessageFailed {
			e2eForged(t, sh, "fresh-"+f, e.Signature)
		}
		sh.want("fresh-"+f, e.Signature, http.StatusOK, "accepted", "")
		r.Log.Answered(e.ID, history.Answer{Life: p.N, Status: http.StatusOK, Result: "accepted"})
		// While oncall is down, its route holds up nobody.
		if !r.Log.Await(proctest.Patience, func() bool { return len(r.Log.Attempts("all")) == len(sent) }) {
			t.Fatalf("%s did not come to all while oncall is down", e.ID)
		}
		sh.want("fresh-"+f, e.Signature, http.StatusOK, "duplicate", "known")
		sh.want("fresh-"+f, strings.TrimPrefix(e.Signature, "sha256="), http.StatusOK, "duplicate", "known")
	}
	if n := len(r.Log.Attempts("oncall")); n != 0 {
		t.Errorf("%d events came to oncall while it was down", n)
	}
	r.App("oncall").Start()
	r.AwaitAll()
	r.Sentinel()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	if n := r.Log.Arrivals(p.N); n != len(sent)+1+2 {
		t.Errorf("%d deliveries, want %d: one each, two of message.failed and of the last", n, len(sent)+1+2)
	}
	if bad := r.Log.Check(history.Rules{}).Violations; len(bad) > 0 {
		t.Error(history.First(bad))
	}
	e2eLog(t, p.Output(), sent)
}

// e2eForged sends a body that nobody has seen with signatures that are not
// valid. No answer tells why.
func e2eForged(t *testing.T, sh e2eShell, file, signature string) {
	t.Helper()
	digits := strings.TrimPrefix(signature, "sha256=")
	last := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(digits, "0")]
	other := strings.TrimSpace(string(sh.run("sign", "read.json")))
	answers := map[string]e2eAnswer{
		"forged":        sh.send("send", file, "sha256="+digits[:63]+last),
		"of other body": sh.send("send", file, other),
		"short":         sh.send("send", file, "sha256="+digits[:62]),
		"odd length":    sh.send("send", file, "sha256="+digits[:63]),
		"long":          sh.send("send", file, signature+"00"),
		"not hex":       sh.send("send", file, "sha256="+strings.Repeat("z", 64)),
		"prefix alone":  sh.send("send", file, "sha256="),
		"empty":         sh.send("send-empty", file),
		"missing":       sh.send("send-unsigned", file),
	}
	show := func(a e2eAnswer) string {
		a.head.Del("Date")
		b, _ := json.Marshal(a.head) // A map of strings, in the order of its keys.
		return string(b) + a.body
	}
	want := show(answers["forged"])
	for name, a := range answers {
		if a.status != http.StatusUnauthorized || show(a) != want {
			t.Errorf("%s signature: %d %s, want 401 %s\nthe script:\n%s", name, a.status, show(a), want, e2eScript)
		}
	}
}

// e2eLog checks that the log says why an event is in quarantine, and nothing
// that is private.
func e2eLog(t *testing.T, output string, sent []history.Event) {
	t.Helper()
	var ids []string
	for line := range strings.Lines(output) {
		var entry struct {
			Msg, Source, Reason string
			ID                  string `json:"event_id"`
		}
		if json.Unmarshal([]byte(line), &entry) != nil || entry.Msg != "event quarantined" {
			continue
		}
		ids = append(ids, entry.ID)
		if entry.Source != "inbox" || !strings.Contains(entry.Reason, "window") {
			t.Errorf("the log does not say why: %s", line)
		}
	}
	private := []string{rig.Secret, "15551234567", "has not installed"}
	for _, e := range sent {
		if !slices.Contains(ids, e.ID) {
			t.Errorf("the quarantine of %s is not in the log", e.ID)
		}
		private = append(private, strings.TrimPrefix(e.Signature, "sha256="))
	}
	for _, text := range private {
		if strings.Contains(output, text) {
			t.Errorf("%q is in the log", text)
		}
	}
}
