package caddymodule_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
)

// The pages are at the root, below a path that is taken off, and below one that is not, with
// links that lead to where they are.
func TestDashboardBelowAPath(t *testing.T) {
	for name, c := range map[string]struct{ site, prefix string }{
		"root":            {"inbox_dashboard", ""},
		"matcher":         {"inbox_dashboard /ops/*\nrespond 418", "/ops"},
		"handle_path":     {"handle_path /ops/* {\ninbox_dashboard\n}\nrespond 418", "/ops"},
		"handle":          {"handle /ops/* {\ninbox_dashboard {\nprefix /ops\n}\n}\nrespond 418", "/ops"},
		"route":           {"route /ops/* {\ninbox_dashboard {\nprefix /ops\n}\n}\nrespond 418", "/ops"},
		"both":            {"handle_path /a/* {\ninbox_dashboard /ops/*\n}\nrespond 418", "/a/ops"},
		"a named matcher": {"@ops path /ops/*\nhandle @ops {\nuri strip_prefix /ops\ninbox_dashboard\n}\nrespond 418", "/ops"},
	} {
		t.Run(name, func(t *testing.T) {
			_, at := ops(t, c.site)
			status, page, _ := visit{url: at + c.prefix + "/"}.page(t)
			if status != 200 || !shows(page, "") {
				t.Fatalf("%d\n%s", status, page)
			}
			links := regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(page, -1)
			if len(links) < 5 {
				t.Fatalf("%d links in\n%s", len(links), page)
			}
			for _, l := range links {
				if strings.HasPrefix(l[1], "#") {
					continue
				}
				if !strings.HasPrefix(l[1], c.prefix+"/") {
					t.Errorf("the link %s leads out of %s", l[1], c.prefix)
					continue
				}
				status, _, header := visit{url: at + strings.ReplaceAll(l[1], "&amp;", "&")}.page(t)
				if on := header.Get("Location"); status != 200 && (status != 303 || !strings.HasPrefix(on, c.prefix+"/")) {
					t.Errorf("%s answers %d, and leads to %q", l[1], status, on)
				}
			}
			if c.prefix == "" {
				return
			}
			if status, _, _ := (visit{url: at + "/other"}).page(t); status != 418 {
				t.Errorf("another path answers %d", status)
			}
			if status, _, _ := (visit{url: at + c.prefix + "more"}).page(t); status != 418 {
				t.Errorf("a path that only begins so answers %d", status)
			}
		})
	}
}

var formToken = regexp.MustCompile(`name="form" value="([^"]+)"`)

// hold sends the form that holds the route.
func hold(t *testing.T, v visit, at, token string) (int, string) {
	t.Helper()
	v.method, v.url = http.MethodPost, at+"/routes"
	v.body = url.Values{"form": {token}, "source": {"ops"}, "route": {"app"}, "do": {"hold"}, "reason": {"the app +15550001111 moves"}}.Encode()
	status, page, _ := v.page(t)
	return status, page
}

// Every change has the user's name in the audit log, and so has each form that was refused:
// without an origin, from another one, without the right, or by nobody.
func TestDashboardIsAudited(t *testing.T) {
	const auth = "basic_auth {\nalice " + hashOfHorse + "\n}\n"
	port, bind := listen(t)
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	audit := filepath.Join(t.TempDir(), "audit.log")
	global := fmt.Sprintf("log audit {\noutput file %s {\nroll_disabled\n}\ninclude inbox.audit\n}", audit)
	in := start(t, global, opsSite(port, bind, auth+"inbox_dashboard {\nactions operate\n}"))
	at := "http://127.0.0.1:" + port
	alice := visit{user: "alice", password: "correct-horse", header: []string{"Origin", at}}

	alice.url = at + "/"
	_, page, _ := alice.page(t)
	token := formToken.FindStringSubmatch(page)
	if token == nil {
		t.Fatalf("no form in\n%s", page)
	}
	for name, header := range map[string][]string{
		"no origin": nil, "another origin": {"Origin", "https://evil.example"}, "a hidden origin": {"Origin", "null"},
		"another site": {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, "another host of the site": {"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"},
	} {
		v := alice
		v.header = header
		if status, page := hold(t, v, at, token[1]); status != http.StatusForbidden {
			t.Errorf("%s: %d\n%s", name, status, page)
		}
	}
	if status, page := hold(t, alice, at, token[1]); status != http.StatusSeeOther {
		t.Fatalf("holding: %d\n%s", status, page)
	}
	if held := in.held(); !held {
		t.Error("the route is not held")
	}
	// Now without the right, and then where nobody is known.
	load := func(site string) {
		t.Helper()
		if err := in.load(global, opsSite(port, bind, site)); err != nil {
			t.Fatal(err)
		}
	}
	load(auth + "inbox_dashboard")
	if _, page, _ := alice.page(t); formToken.MatchString(page) {
		t.Errorf("a page to look at has forms:\n%s", page)
	}
	if status, page := hold(t, alice, at, token[1]); status != http.StatusForbidden {
		t.Errorf("without the right: %d\n%s", status, page)
	}
	load("inbox_dashboard {\nactions operate\n}")
	if status, page := hold(t, visit{header: append([]string{"Origin", at, "Remote-User", "root"}, throughProxy...)}, at, token[1]); status != http.StatusServiceUnavailable {
		t.Errorf("by nobody: %d\n%s", status, page)
	}

	count := func() map[string]int {
		lines := make(map[string]int)
		for _, m := range auditLines(t, audit) {
			switch m["msg"] {
			case "operator changed something":
				lines[fmt.Sprint("changed ", m["change"], " by ", m["user"])]++
			case "dashboard refused a change":
				lines[fmt.Sprint("refused ", m["path"], " ", m["method"], " of ", m["user"])]++
			}
		}
		return lines
	}
	want := map[string]int{"changed hold by alice": 1, "refused /routes POST of alice": 6, "refused /routes POST of ": 1}
	eventually(t, fmt.Sprint(want), func() bool { return fmt.Sprint(count()) == fmt.Sprint(want) || len(auditLines(t, audit)) > 12 })
	if got := count(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("audit: %v, want %v", got, want)
	}
	raw, _ := os.ReadFile(audit)
	for _, never := range []string{token[1], "correct-horse", "root"} {
		if strings.Contains(string(raw), never) {
			t.Errorf("the audit log holds %q", never)
		}
	}
}

// held reports whether the store holds the route of ops.
func (in *instance) held() bool {
	in.t.Helper()
	states, err := in.store().Routes(in.t.Context())
	if err != nil {
		in.t.Fatal(err)
	}
	for _, s := range states {
		if s.Key.Source == "ops" && s.Hold != nil {
			return true
		}
	}
	return false
}

// Several dashboards of one configuration have rights of their own, and a reload keeps the
// pages going.
func TestDashboardsAndReload(t *testing.T) {
	port, bind := listen(t)
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	const two = "inbox_dashboard /look/*\ninbox_dashboard /do/* {\nactions operate\n}"
	in := start(t, "", opsSite(port, bind, two))
	at := "http://127.0.0.1:" + port
	me := visit{header: []string{"Origin", at}}
	for range 3 {
		me.url = at + "/do/"
		status, page, _ := me.page(t)
		token := formToken.FindStringSubmatch(page)
		if status != 200 || token == nil {
			t.Fatalf("%d, no form in\n%s", status, page)
		}
		if status, _ := hold(t, me, at+"/look", token[1]); status != http.StatusForbidden {
			t.Errorf("holding where one may look: %d", status)
		}
		// The form was shown before a reload, and is sent after it.
		if err := in.load("", opsSite(port, bind, two+"\nheader X-Load again")); err != nil {
			t.Fatal(err)
		}
		if status, page := hold(t, me, at+"/do", token[1]); status != http.StatusSeeOther {
			t.Errorf("holding: %d\n%s", status, page)
		}
	}
	// A configuration that is refused leaves the former pages.
	if err := in.load("", opsSite(port, bind, "inbox_dashboard {\nuser {http.request.header.Cookie}\n}")); err == nil {
		t.Error("a wrong configuration was loaded")
	}
	if status, _, _ := (visit{url: at + "/look/"}).page(t); status != 200 {
		t.Errorf("after a load that failed: %d", status)
	}
}

// Where no store is open, the page says why.
func TestDashboardWithoutAStore(t *testing.T) {
	port, bind := listen(t)
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	start(t, "", "route /hook {\ninbox_webhook {\nname ops\npass\n}\nrespond 200\n}\n}\nhttp://:"+port+" {\nbind "+bind+"\ninbox_dashboard\n")
	status, page, header := visit{url: "http://127.0.0.1:" + port + "/"}.page(t)
	if status != http.StatusServiceUnavailable || !strings.Contains(page, "No store is open.") || header.Get("Retry-After") == "" {
		t.Errorf("%d, %v\n%s", status, header, page)
	}
}

// The API that the pages use is nobody else's way in: neither its paths nor its header are
// served by the dashboard.
func TestDashboardServesNoAPI(t *testing.T) {
	_, at := ops(t, "inbox_dashboard {\nactions operate\n}")
	for _, path := range []string{"status", "events", "store/backup", "openapi.json"} {
		if status, page, _ := (visit{url: at + control.Prefix + path}).page(t); status != http.StatusNotFound || !strings.Contains(page, "</html>") {
			t.Errorf("%s: %d\n%s", path, status, page)
		}
	}
}
