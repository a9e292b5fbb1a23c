package cli_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

// inboxStub answers as it is told, and keeps what came.
type inboxStub struct {
	*httptest.Server
	mu   sync.Mutex
	came []cameIn
}

type cameIn struct {
	body  string
	head  http.Header
	valid bool
}

func newInboxStub(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, valid bool)) *inboxStub {
	t.Helper()
	v, err := verify.New(verify.Key(secret))
	if err != nil {
		t.Fatal(err)
	}
	s := &inboxStub{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, err := v.Verify(body, r.Header.Values(verify.Header)...)
		s.mu.Lock()
		s.came = append(s.came, cameIn{string(body), r.Header, err == nil})
		s.mu.Unlock()
		answer(w, r, err == nil)
	}))
	t.Cleanup(s.Close)
	return s
}

func asInboxgate(w http.ResponseWriter, _ *http.Request, valid bool) {
	if !valid {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("X-Inbox-Result", "accepted")
}

func TestTrigger(t *testing.T) {
	t.Parallel()
	key := "--secret-file=" + writeFile(t, secret)
	line := regexp.MustCompile(`^evt_\w+ +message\.\w+ +200  accepted +\d+\.\d ms$`)
	s := newInboxStub(t, asInboxgate)
	r := runCommand(t.Context(), "", "trigger", "all", key, "--to", s.URL, "--count", "2", "--duplicate", "--override", "data.to=+15557654321", "--override", "data.n=[1,2]")
	if r.failed != nil || r.err != "" {
		t.Fatalf("%+v", r)
	}
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if len(lines) != 16 || len(s.came) != 16 {
		t.Fatalf("%d lines and %d requests, want 16", len(lines), len(s.came))
	}
	ids, types := make(map[string]int), make(map[string]int)
	for i, c := range s.came {
		e, err := event.Parse([]byte(c.body))
		if err != nil || !c.valid || c.head.Get("Content-Type") != "application/json" {
			t.Fatalf("request %d: %v, %+v", i, err, c)
		}
		if !line.MatchString(lines[i]) || !strings.HasPrefix(lines[i], e.ID+" ") {
			t.Errorf("line %d is %q", i, lines[i])
		}
		if time.Since(e.CreatedAt) > time.Hour || !strings.Contains(c.body, `"to":"+15557654321"`) || !strings.Contains(c.body, `"n":[1,2]`) {
			t.Errorf("event %d is %s", i, c.body)
		}
		if i%2 == 1 && c.body != s.came[i-1].body {
			t.Errorf("request %d is not the copy of the one before", i)
		}
		ids[e.ID]++
		types[e.Type]++
	}
	if len(ids) != 8 || len(types) != 4 || types[event.TypeMessageFailed] != 4 {
		t.Errorf("ids %v, types %v", ids, types)
	}
}

func TestTriggerBadSignature(t *testing.T) {
	t.Parallel()
	key := "--secret-file=" + writeFile(t, secret)
	s := newInboxStub(t, asInboxgate)
	r := runCommand(t.Context(), "", "trigger", "message.read", key, "--to", s.URL, "--bad-signature", "--format=json")
	var l struct {
		ID, Type, Result, Reason, Error string
		Status                          int
		MS                              float64
		Expected                        bool
	}
	if err := json.Unmarshal([]byte(r.out), &l); err != nil || r.failed != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	if l.Status != 401 || !l.Expected || l.MS <= 0 || l.Type != "message.read" || s.came[0].valid {
		t.Errorf("%+v", l)
	}
	open := newInboxStub(t, func(http.ResponseWriter, *http.Request, bool) {})
	r = runCommand(t.Context(), "", "trigger", "message.read", key, "--to", open.URL, "--bad-signature")
	r.complains(t, "1 of 1 answers were not the expected 401")
}

func TestTriggerRaw(t *testing.T) {
	t.Parallel()
	key := "--secret-file=" + writeFile(t, secret)
	s := newInboxStub(t, asInboxgate)
	for _, body := range []string{"not JSON\r\n", `{"id":"evt_mine","type":"message.read"}`, ""} {
		r := runCommand(t.Context(), "", "trigger", key, "--to", s.URL, "--raw", writeFile(t, body))
		if c := s.came[len(s.came)-1]; r.failed != nil || c.body != body || !c.valid {
			t.Errorf("%q came as %+v: %+v", body, c, r)
		}
	}
	if r := runCommand(t.Context(), "from stdin", "trigger", key, "--to", s.URL, "--raw", "-"); r.failed != nil || s.came[3].body != "from stdin" {
		t.Errorf("%+v", r)
	}
}

func TestTriggerUnexpected(t *testing.T) {
	t.Parallel()
	key := "--secret-file=" + writeFile(t, secret)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	hanging := newInboxStub(t, func(_ http.ResponseWriter, r *http.Request, _ bool) { <-r.Context().Done() })
	failing := newInboxStub(t, func(w http.ResponseWriter, _ *http.Request, _ bool) {
		w.Header().Set("X-Inbox-Reason", "cannot be stored now")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	moved := newInboxStub(t, func(w http.ResponseWriter, r *http.Request, _ bool) {
		http.Redirect(w, r, failing.URL, http.StatusFound)
	})
	cut := newInboxStub(t, func(w http.ResponseWriter, _ *http.Request, _ bool) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "OK")
	})
	for _, tt := range []struct{ name, to, says string }{
		{"unreachable", gone.URL, "connection refused"},
		{"hanging", hanging.URL, "no answer within 100ms"},
		{"503", failing.URL, "503  - "},
		{"redirect", moved.URL, "302"},
		{"cut answer", cut.URL, "unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"trigger", "message.read", key, "--to", tt.to, "--count", "2"}
			if tt.name == "hanging" {
				args = append(args, "--timeout", "100ms")
			}
			r := runCommand(t.Context(), "", args...)
			r.complains(t, "2 of 2 answers were not the expected 200")
			if strings.Count(r.out, tt.says) != 2 {
				t.Errorf("%q does not say %q twice", r.out, tt.says)
			}
		})
	}
}

func TestTriggerRefuses(t *testing.T) {
	t.Parallel()
	key := "--secret-file=" + writeFile(t, secret)
	s := newInboxStub(t, asInboxgate)
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"no type", nil, "no event type"},
		{"near miss", []string{"message.deliverd"}, `did you mean "message.delivered"?`},
		{"unknown", []string{"order.created"}, "the platform has message.delivered"},
		{"count", []string{"all", "--count", "0"}, "--count must be at least 1"},
		{"rate", []string{"all", "--rate", "0"}, "--rate must be above 0"},
		{"rate that is no number", []string{"all", "--rate", "NaN"}, "--rate must be above 0"},
		{"timeout", []string{"all", "--timeout", "0s"}, "--timeout must be above zero"},
		{"format", []string{"all", "--format", "xml"}, "say text or json"},
		{"URL", []string{"all", "--to", "localhost:8080"}, "write it as http://"},
		{"override", []string{"all", "--override", "data.to"}, "write it as path=value"},
		{"override without a name", []string{"all", "--override", "data..to=1"}, "write it as path=value"},
		{"override into text", []string{"all", "--override", "type.x=1"}, "setting type.x"},
		{"raw and type", []string{"all", "--raw", "x"}, "both --raw and the type"},
		{"raw and override", []string{"--raw", "x", "--override", "a=1"}, "leave --override out"},
		{"raw that is missing", []string{"--raw", "/no/such/file"}, "reading body"},
		{"unknown flag", []string{"all", "--secret", "x"}, "unknown flag: --secret"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"trigger", key}, tt.args...)
			if !slices.Contains(args, "--to") {
				args = append(args, "--to", s.URL)
			}
			runCommand(t.Context(), "", args...).complains(t, tt.says)
		})
	}
	t.Cleanup(func() {
		if len(s.came) != 0 {
			t.Errorf("%d requests were sent all the same", len(s.came))
		}
	})
}

func TestTriggerForce(t *testing.T) {
	t.Parallel()
	s := newInboxStub(t, asInboxgate)
	r := runCommand(t.Context(), "", "trigger", "order.created", "--force", "--secret-file", writeFile(t, secret), "--to", s.URL)
	if e, err := event.Parse([]byte(s.came[0].body)); r.failed != nil || err != nil || e.Type != "order.created" {
		t.Errorf("%v %v: %+v", err, e, r)
	}
}

func TestTriggerStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := newInboxStub(t, func(_ http.ResponseWriter, r *http.Request, _ bool) {
		cancel()
		<-r.Context().Done()
	})
	r := runCommand(ctx, "", "trigger", "message.read", "--secret-file", writeFile(t, secret), "--to", s.URL, "--count", "1000")
	r.complains(t, "stopped after 0 posts")
}

// A 200 that is not inboxgate's is no success: nothing was stored.
func TestTriggerWantsTheResult(t *testing.T) {
	t.Parallel()
	key := "--secret-file=" + writeFile(t, secret)
	empty := newInboxStub(t, func(http.ResponseWriter, *http.Request, bool) {})
	r := runCommand(t.Context(), "", "trigger", "message.read", key, "--to", empty.URL, "--count", "2")
	r.complains(t, "2 of 2 answers came from something else than inboxgate")
	if !strings.Contains(r.out, "it has no X-Inbox-Result") || !strings.Contains(r.failed.Error(), "handle_path") {
		t.Errorf("%+v", r)
	}
	if r := runCommand(t.Context(), "", "trigger", "message.read", key, "--to", empty.URL, "--direct"); r.failed != nil {
		t.Errorf("%+v", r)
	}
}

// What a laptop needs: names under .localhost, another Host, a local authority.
func TestTriggerReachesLocalSites(t *testing.T) {
	t.Parallel()
	key := "--secret-file=" + writeFile(t, secret)
	var host, extra string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, extra = r.Host, r.Header.Get("X-Extra")
		asInboxgate(w, r, true)
	}))
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	to := "https://hooks.localhost:" + port
	for name, c := range map[string]struct {
		args []string
		says string // Empty for success.
		host string
	}{
		"unknown authority": {nil, "certificate", ""},
		"insecure":          {[]string{"--insecure", "--header", "X-Extra: a: b"}, "", "hooks.localhost:" + port},
		"cacert and host":   {[]string{"--cacert", ca, "--host", "example.com"}, "", "example.com"},
		"cacert, no file":   {[]string{"--cacert", ca + ".not"}, "reading --cacert", ""},
		"cacert, no PEM":    {[]string{"--cacert", writeFile(t, "x")}, "holds no certificate", ""},
		"header":            {[]string{"--header", "X-Extra"}, "write it as 'name: value'", ""},
	} {
		host, extra = "", ""
		r := runCommand(t.Context(), "", append([]string{"trigger", "message.read", key, "--to", to}, c.args...)...)
		if (r.failed == nil) != (c.says == "") || r.failed != nil && !strings.Contains(r.out+r.failed.Error(), c.says) || host != c.host {
			t.Errorf("%s: host %q, %+v", name, host, r)
		}
		if name == "insecure" && extra != "a: b" {
			t.Errorf("the header came as %q", extra)
		}
	}
}

// The usual mistakes are named, and the secret itself is not.
func TestTriggerNamesTheUsualMistakes(t *testing.T) {
	t.Parallel()
	path := writeFile(t, secret)
	key := "--secret-file=" + path
	answers := func(status int) *inboxStub {
		return newInboxStub(t, func(w http.ResponseWriter, _ *http.Request, _ bool) { w.WriteHeader(status) })
	}
	missed := answers(http.StatusNotFound)
	r := runCommand(t.Context(), "", "trigger", "message.read", key, "--to", missed.URL+"/hooks")
	r.complains(t, "1 of 1 answers were not the expected 200", "path /hooks", "inbox_webhook", "--to")
	refuses := answers(http.StatusUnauthorized)
	r = runCommand(t.Context(), "", "trigger", "all", key, "--to", refuses.URL)
	r.complains(t, "4 of 4 answers were not the expected 200", "the secret of --secret-file "+path)
	if strings.Contains(r.out+r.err, secret) {
		t.Errorf("the secret is shown: %s", r.err)
	}
	for _, c := range []struct{ args, says string }{
		{"message.read http://127.0.0.1:1/x", `unexpected "http://127.0.0.1:1/x": write --to http://127.0.0.1:1/x`},
		{"message.read message.failed", `unexpected "message.failed": give one type, or all`},
		{"message.read --to 127.0.0.1:21080/webhooks/inbox", "write it as http://127.0.0.1:21080/webhooks/inbox"},
		{"message.read --to localhost:21080", "write it as http://localhost:21080"},
		{"message.read --to :21080/hook", "write it as http://127.0.0.1:21080/hook"},
		{"message.read --to /hook", "write it as http://127.0.0.1:8080/hook"},
		{"message.read --to ftp://x", "write it as http://127.0.0.1:8080/webhooks/inbox"},
	} {
		runCommand(t.Context(), "", append([]string{"trigger", key}, strings.Fields(c.args)...)...).complains(t, c.says)
	}
}
