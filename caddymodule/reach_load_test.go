package caddymodule_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"pgregory.net/rapid"

	"github.com/inboxgate/inboxgate/caddymodule"
	"github.com/inboxgate/inboxgate/verify"
)

// sites is Caddy with several sites on one port of loopback.
type sites struct {
	addr, logs, dir string
	from            int64 // Where the log of this load begins.
}

func newSites(t *testing.T) *sites {
	t.Helper()
	caddyLoad.Lock()
	t.Cleanup(caddyLoad.Unlock)
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	dir := t.TempDir()
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
		for end := time.Now().Add(patience); caddymodule.OpenStorages() > 0 && time.Now().Before(end); {
			runtime.Gosched()
		}
	})
	return &sites{addr: "127.0.0.1:" + freePort(t), logs: filepath.Join(dir, "log"), dir: filepath.Join(dir, "store")}
}

// load runs a Caddyfile in which PORT stands for the port.
func (s *sites) load(text string) error { return s.loadWith("", text) }

func (s *sites) loadWith(global, text string) error {
	if fi, err := os.Stat(s.logs); err == nil {
		s.from = fi.Size()
	}
	_, port, _ := net.SplitHostPort(s.addr)
	text = fmt.Sprintf("{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n\tlog {\n\t\toutput file %s {\n\t\t\troll_disabled\n\t\t}\n\t}\n\tinbox {\n\t\tdata_dir %s\n\t}\n\t%s\n}\n%s", s.logs, s.dir, global, strings.ReplaceAll(text, "PORT", port))
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	return caddy.Load(raw, true)
}

// warned returns the lines of WARN of this load.
func (s *sites) warned() (lines []string) {
	f, err := os.Open(s.logs)
	if err != nil {
		return nil
	}
	defer f.Close()
	if _, err := f.Seek(s.from, 0); err != nil {
		return nil
	}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if strings.Contains(sc.Text(), `"level":"warn"`) && strings.Contains(sc.Text(), `"logger":"inbox"`) {
			lines = append(lines, sc.Text())
		}
	}
	return lines
}

// post sends a signed event to that host and path of the sites.
func (s *sites) post(t interface{ Fatalf(string, ...any) }, host, path string, body []byte) reply {
	r, err := http.NewRequest(http.MethodPost, "http://"+s.addr+path, strings.NewReader(string(body)))
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	r.Host = host
	r.Header.Set(verify.Header, verify.Sign([]byte(secret), body))
	res, err := client.Transport.RoundTrip(r) // It follows no redirect, as the platform does not.
	for n := 0; err != nil && unanswered(err) && n < 50; n++ {
		r.Body, _ = r.GetBody()
		res, err = client.Transport.RoundTrip(r)
	}
	if err != nil {
		t.Fatalf("sending: %v", err)
	}
	res.Body.Close()
	return reply{status: res.StatusCode, result: res.Header.Get("X-Inbox-Result")}
}

// Ways in which a request of the platform does not come to the webhook, though
// the configuration is valid: each is told when it is loaded, with the fix.
func TestWebhookThatCannotBeReached(t *testing.T) {
	const hook = "inbox_webhook /webhooks/inbox 127.0.0.1:1"
	const other = "inbox_webhook /webhooks/inbox {\n name other\n to 127.0.0.1:2\n}"
	s := newSites(t)
	for name, c := range map[string]struct{ site, says string }{
		"plain":                       {hook + "\nrespond 404", ""},
		"nothing ends the site":       {hook, ""},
		"handle_path, full path":      {"handle_path /webhooks/* {\n" + hook + "\n}", "use `handle` instead of `handle_path`, or write the path without it: /inbox"},
		"handle_path, rest of it":     {"handle_path /webhooks/* {\ninbox_webhook /inbox 127.0.0.1:1\n}", ""},
		"handle_path, other prefix":   {"handle_path /api/* {\n" + hook + "\n}", ""},
		"handle_path, no path":        {"handle_path /webhooks/* {\ninbox_webhook 127.0.0.1:1\n}", ""},
		"uri strip_prefix":            {"route {\nuri strip_prefix /webhooks\n" + hook + "\n}", "write the path without it: /inbox"},
		"handle of another path":      {"handle /api/* {\n" + hook + "\n}", "does not fit the matchers around it"},
		"respond first in route":      {"route {\nrespond 200\n" + hook + "\n}", "respond (200 OK) answers before it; put inbox_webhook first"},
		"respond of another path":     {"route {\nrespond /else 200\n" + hook + "\n}", ""},
		"respond of all POSTs":        {"@post method POST\nroute {\nrespond @post 202\n" + hook + "\n}", "respond (202 Accepted) answers before it"},
		"reverse_proxy first":         {"route {\nreverse_proxy 127.0.0.1:3\n" + hook + "\n}", "reverse_proxy answers before it"},
		"file_server first":           {"route {\nfile_server\n" + hook + "\n}", "file_server (405 Method Not Allowed) answers before it"},
		"in an earlier handle":        {"route {\nhandle /webhooks/* {\nrespond 204\n}\nhandle {\n" + hook + "\n}\n}", "respond (204 No Content) answers before it"},
		"redir":                       {"redir https://example.com{uri}\n" + hook, "respond (302 Found) answers before it"},
		"twice":                       {hook + "\n" + other, "the webhook 'inbox' at Caddyfile:17 stands before it; give one of them another path"},
		"the same twice":              {hook + "\n" + hook, "the same webhook stands before it; remove one of them"},
		"behind a wildcard":           {"route {\ninbox_webhook /webhooks/* 127.0.0.1:3 {\nname wide\n}\n" + hook + "\n}", ""},
		"only the platform's address": {"@platform remote_ip 203.0.113.0/24\nhandle @platform {\n" + hook + "\n}\nrespond 404", ""},
		"rewritten to it":             {"rewrite /in /webhooks/inbox\n" + hook + "\nrespond 404", ""},
		"basic_auth before it":        {"basic_auth {\nbob $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n}\n" + hook, ""},
	} {
		if name == "behind a wildcard" {
			c.site = strings.Replace(c.site, "127.0.0.1:3 {\nname wide\n}", "{\nname wide\nto 127.0.0.1:3\n}", 1)
			c.says = "the webhook 'wide' at Caddyfile:18 stands before it"
		}
		if err := s.load("http://:PORT {\n" + c.site + "\n}\n"); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		said := strings.Join(s.warned(), "\n")
		if c.says == "" && said != "" || !strings.Contains(said, c.says) {
			t.Errorf("%s: the log says %s, want %q in it", name, said, c.says)
		}
		if c.says != "" && !strings.Contains(said, "Caddyfile:") {
			t.Errorf("%s: no place in %s", name, said)
		}
	}
}

// What carries a signature and comes to no webhook is never an empty 200, and is
// told: another path, another host, a site without an end.
func TestSignedRequestMissesTheWebhook(t *testing.T) {
	s := newSites(t)
	if err := s.load("http://hooks.example.test:PORT {\n inbox_webhook /webhooks/inbox 127.0.0.1:1\n}\nhttp://www.example.test:PORT {\n respond /there 200\n}\n"); err != nil {
		t.Fatal(err)
	}
	if w := s.warned(); len(w) > 0 {
		t.Errorf("a healthy configuration warns: %s", w)
	}
	_, body := sample(t, "message.read")
	for _, c := range []struct {
		host, path string
		status     int
		result     string
	}{
		{"hooks.example.test", "/webhooks/inbox", 200, "accepted"},
		{"hooks.example.test", "/webhooks/inbox/", 200, "duplicate"},
		{"hooks.example.test", "/webhooks/inbox/?a=1", 200, "duplicate"},
		{"hooks.example.test", "/webhooks/inbox//", 404, ""},
		{"hooks.example.test", "/webhooks/inbox/x", 404, ""},
		{"hooks.example.test", "/", 404, ""},
		{"hooks.example.test", "/webhooks", 404, ""},
		{"other.example.test", "/webhooks/inbox", 404, ""},
		{"127.0.0.1", "/webhooks/inbox", 404, ""},
		{"www.example.test", "/webhooks/inbox", 404, ""},
		{"www.example.test", "/there", 200, ""}, // What is written on purpose stands, and is told.
	} {
		if got := s.post(t, c.host, c.path, body); got.status != c.status || got.result != c.result {
			t.Errorf("%s%s: %d %q, want %d %q", c.host, c.path, got.status, got.result, c.status, c.result)
		}
	}
	w := s.warned()
	if len(w) != 1 || !strings.Contains(w[0], `"path":"/webhooks/inbox//"`) || !strings.Contains(w[0], `"host":"hooks.example.test"`) {
		t.Errorf("within a minute the log has %q", w)
	}
	// Without a signature nothing is changed: it is the site's own affair.
	r, _ := http.NewRequest(http.MethodPost, "http://"+s.addr+"/", nil)
	r.Host = "hooks.example.test"
	if got := send(t, r); got.status != 200 || got.result != "" {
		t.Errorf("without a signature: %+v", got)
	}
}

// The app gets the URI as it came, with its slash.
func TestTrailingSlashReachesTheApp(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a := newApp(t, nil)
	in := start(t, "", "handle_path /in/* {\n inbox_webhook /hook "+a.addr()+"\n}\ninbox_webhook /hook "+a.addr()+"\n")
	for _, path := range []string{"/in/hook/?x=1", "/hook/?x=1", "/hook"} {
		id, body := sample(t, "message.read")
		if got := post(t, in.url(path), body); got.result != "accepted" {
			t.Errorf("%s: %+v", path, got)
		}
		if got := a.await(t, id); got.URI != path {
			t.Errorf("the app got %s, want %s", got.URI, path)
		}
	}
}

// randomSite writes a site's body, as valid as Caddy lets it be.
func randomSite(t *rapid.T, depth int, hooks *int, paths *[]string) string {
	path := func() string {
		p := rapid.SampledFrom([]string{"/hook", "/a", "/a/hook", "/a/b", "/webhooks/inbox"}).Draw(t, "path")
		*paths = append(*paths, p)
		return p
	}
	matcher := func() string {
		return rapid.SampledFrom([]func() string{path, path, func() string { return "" }, func() string { return path() + "*" }, func() string { return "/a/*" }, func() string { return "@post" }}).Draw(t, "matcher")()
	}
	var b strings.Builder
	for range rapid.IntRange(1, 3).Draw(t, "words") {
		switch kind := rapid.SampledFrom([]string{"hook", "hook", "hook", "respond", "redir", "handle", "handle_path", "route", "rewrite", "strip"}).Draw(t, "kind"); {
		case kind == "hook":
			*hooks++
			m := matcher()
			if m == "@post" {
				m = path()
			}
			fmt.Fprintf(&b, "inbox_webhook %s {\nname h%d\nto 127.0.0.1:1\n}\n", m, *hooks)
		case kind == "respond":
			fmt.Fprintf(&b, "respond %s %d\n", matcher(), rapid.SampledFrom([]int{200, 204, 404}).Draw(t, "status"))
		case kind == "redir":
			fmt.Fprintf(&b, "redir %s https://example.com 302\n", path())
		case kind == "rewrite":
			fmt.Fprintf(&b, "rewrite %s %s\n", path(), path())
		case kind == "strip":
			b.WriteString("uri strip_prefix /a\n")
		case depth == 0:
		case kind == "handle_path":
			p := rapid.SampledFrom([]string{"/a/*", "/webhooks/*", "/hook*"}).Draw(t, "prefix")
			*paths = append(*paths, strings.TrimRight(p, "/*"))
			fmt.Fprintf(&b, "handle_path %s {\n%s}\n", p, randomSite(t, depth-1, hooks, paths))
		default:
			m := ""
			if kind == "handle" {
				m = strings.Replace(matcher(), "@post", "", 1)
			}
			fmt.Fprintf(&b, "%s %s {\n%s}\n", kind, m, randomSite(t, depth-1, hooks, paths))
		}
	}
	return b.String()
}

// taken returns the sources that have taken an event since this load.
func (s *sites) taken() map[string]bool {
	all := make(map[string]bool)
	raw, _ := os.ReadFile(s.logs)
	for _, m := range eventTaken.FindAllSubmatch(raw[min(s.from, int64(len(raw))):], -1) {
		all[string(m[1])] = true
	}
	return all
}

var eventTaken = regexp.MustCompile(`"event taken","source":"([^"]+)"`)

// prefixes are what two handle_path inside each other, and a strip_prefix in them,
// may take away.
func prefixes() (all []string) {
	for _, outer := range []string{"", "/a", "/webhooks", "/hook"} {
		for _, inner := range []string{"", "/a", "/webhooks", "/hook"} {
			for _, last := range []string{"", "/a"} {
				all = append(all, outer+inner+last)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A configuration that loads either takes the platform's request with
// X-Inbox-Result, or it warns. No event is lost to a 2xx without a word, and of
// a webhook to which no request comes the load itself has told.
func TestLoadsOrWarns(t *testing.T) {
	s := newSites(t)
	_, body := sample(t, "message.read")
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		hooks, paths, hosts := 0, []string{"/webhooks/inbox", "/a/inbox", "/a", "/ainbox", "/hookinbox", "/a/hookinbox", "/a/binbox", "/webhooks/inboxinbox"}, []string{"other.example.test"}
		for i := range rapid.IntRange(1, 2).Draw(t, "sites") {
			host := rapid.SampledFrom([]string{"any.example.test", "hooks.example.test", "www.example.test"}).Draw(t, "host")
			if i > 0 && hosts[len(hosts)-1] == host {
				continue // Caddy refuses a site twice.
			}
			hosts = append(hosts, host)
			fmt.Fprintf(&text, "http://%s:PORT {\n@post method POST\n%s}\n", strings.TrimPrefix(host, "any.example.test"), randomSite(t, 2, &hooks, &paths))
		}
		if err := s.load(text.String()); err != nil || hooks == 0 {
			return
		}
		told := s.warned()
		for _, prefix := range prefixes() {
			for _, path := range paths {
				for _, host := range hosts {
					got := s.post(t, host, prefix+path, body)
					if got.status/100 == 2 && got.result == "" && len(s.warned()) == 0 {
						t.Fatalf("POST %s%s got %d without a result and without a warning from\n%s", host, path, got.status, text.String())
					}
				}
			}
		}
		if taken := s.taken(); hooks-len(taken) > len(told) {
			t.Fatalf("%d of %d webhooks can be reached, and the load tells only %q of\n%s", len(taken), hooks, told, text.String())
		}
	})
}

// Our own listener as an app, in whatever way it is written: told at the load.
func TestOwnListenerIsWarnedOf(t *testing.T) {
	s := newSites(t)
	t.Setenv("OWN_APP", s.addr)
	for name, c := range map[string]struct {
		to   string
		warn bool
	}{
		"address":          {"to 127.0.0.1:PORT", true},
		"URL":              {"to http://127.0.0.1:PORT/webhooks/inbox", true},
		"localhost":        {"to localhost:PORT", true},
		"upper case":       {"to LocalHost:PORT", true},
		"name.localhost":   {"to http://hooks.localhost:PORT", true},
		"unspecified":      {"to 0.0.0.0:PORT", true},
		"one of two":       {"to 127.0.0.1:3 127.0.0.1:PORT", true},
		"in a handle":      {"to {\nname crm\nhandle {\nreverse_proxy localhost:PORT\n}\n}", true},
		"placeholder":      {"to {env.OWN_APP}", true},
		"of an on":         {"on message.read 127.0.0.1:PORT\nto 127.0.0.1:3", true},
		"another port":     {"to 127.0.0.1:3", false},
		"another machine":  {"to 192.0.2.1:PORT", false},
		"another name":     {"to app.example.com:PORT", false},
		"another loopback": {"to 127.0.0.2:PORT", false},
		"another path":     {"to http://127.0.0.1:PORT/app", false},
		"socket":           {"to unix//run/app.sock", false},
	} {
		if err := s.load("http://:PORT {\ninbox_webhook /webhooks/inbox {\n" + c.to + "\n}\nrespond 404\n}\n"); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		said := strings.Join(s.warned(), "\n")
		if c.warn != strings.Contains(said, "is where this very server listens at Caddyfile:") || c.warn == (said == "") ||
			c.warn != strings.Contains(said, "get 508 and wait") {
			t.Errorf("%s: the log says %q", name, said)
		}
	}
	// On every interface, an address of the machine is ours too.
	if err := s.load("http://:PORT {\nbind 0.0.0.0\ninbox_webhook /webhooks/inbox 127.0.0.2:PORT\n}\n"); err != nil || len(s.warned()) != 1 {
		t.Errorf("every interface: %v, %q", err, s.warned())
	}
	// So is the machine's name.
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.load("http://:PORT {\nbind 0.0.0.0\ninbox_webhook /webhooks/inbox " + strings.ToUpper(name) + ":PORT\n}\n"); err != nil || len(s.warned()) != 1 {
		t.Errorf("the machine's name: %v, %q", err, s.warned())
	}
}

// A public name without TLS is told, unless a proxy that is trusted ends it.
func TestPublicNameWithoutTLS(t *testing.T) {
	s := newSites(t)
	const site = ":PORT {\n%sinbox_webhook /webhooks/inbox 127.0.0.1:1\nrespond 404\n}\n"
	for host, warn := range map[string]bool{"http://hooks.example.com": true, "http://hooks.example.test": false, "http://hooks.svc.cluster.local": false, "http://localhost": false, "http://127.0.0.1": false, "http://": false, "http://gate": false} {
		if err := s.load(fmt.Sprintf(host+site, "")); err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(s.warned(), "\n"); warn != strings.Contains(said, "without TLS") || !warn && said != "" {
			t.Errorf("%s: %q", host, said)
		}
	}
	if err := s.loadWith("servers {\ntrusted_proxies static private_ranges\n}", fmt.Sprintf("http://hooks.example.com"+site, "")); err != nil || len(s.warned()) > 0 {
		t.Errorf("behind a proxy: %v, %q", err, s.warned())
	}
}
