package caddymodule_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Nobody comes to the pages but a user of the site, or somebody on this machine and through
// no proxy.
func TestDashboardLetsIn(t *testing.T) {
	auth := fakeAuth(t)
	for name, c := range map[string]struct {
		site   string
		v      visit
		status int
		user   string // In the page.
	}{
		"this machine":                 {"inbox_dashboard", visit{}, 200, "this machine"},
		"this machine by name":         {"inbox_dashboard", visit{host: "localhost:1234"}, 200, "this machine"},
		"another name (DNS rebinding)": {"inbox_dashboard", visit{host: "evil.example"}, 403, "basic_auth"},
		"a proxy here":                 {"inbox_dashboard", visit{header: throughProxy}, 503, "Put basic_auth before inbox_dashboard"},
		"a proxy here that lies":       {"inbox_dashboard", visit{header: []string{"Forwarded", "for=127.0.0.1"}}, 503, "Put basic_auth"},
		"a name of one's own choice":   {"inbox_dashboard", visit{header: append([]string{"Remote-User", "root"}, throughProxy...)}, 503, "Put basic_auth"},
		"another user, unasked":        {"inbox_dashboard", visit{user: "root", password: "x", header: throughProxy}, 503, "Put basic_auth"},
		"anybody":                      {"inbox_dashboard {\nunauthenticated_ok\n}", visit{header: throughProxy, host: "ops.example.com"}, 200, "unknown"},

		"basic_auth":                  {basicAuth, visit{user: "alice", password: "correct-horse"}, 200, "alice"},
		"basic_auth through a proxy":  {basicAuth, visit{user: "alice", password: "correct-horse", header: throughProxy, host: "ops.example.com"}, 200, "alice"},
		"basic_auth, wrong":           {basicAuth, visit{user: "alice", password: "wrong-horse"}, 401, ""},
		"basic_auth, nobody":          {basicAuth, visit{}, 401, ""},
		"basic_auth, another user":    {basicAuth, visit{user: "bob", password: "correct-horse"}, 401, ""},
		"basic_auth behind the pages": {"route {\ninbox_dashboard\nbasic_auth {\nalice " + hashOfHorse + "\n}\n}", visit{user: "alice", password: "correct-horse", header: throughProxy}, 503, "Put basic_auth"},

		"forward_auth":                   {forwardAuth(auth), visit{header: []string{"Cookie", "session=alice"}}, 200, "alice"},
		"forward_auth through a proxy":   {forwardAuth(auth), visit{header: append([]string{"Cookie", "session=alice"}, throughProxy...), host: "ops.example.com"}, 200, "alice"},
		"forward_auth, nobody":           {forwardAuth(auth), visit{header: []string{"Remote-User", "root"}}, 302, ""},
		"forward_auth, another name":     {forwardAuth(auth), visit{header: []string{"Cookie", "session=alice", "Remote-User", "root"}}, 200, "alice"},
		"forward_auth without a name":    {forwardAuth(auth), visit{header: append([]string{"Cookie", "session=nameless", "Remote-User", "root"}, throughProxy...)}, 503, "forward_auth, before inbox_dashboard"},
		"forward_auth as oauth2-proxy":   {oauth2Proxy(auth), visit{header: append([]string{"Cookie", "session=alice"}, throughProxy...)}, 200, "alice"},
		"a name of two lines in a proxy": {forwardAuth(auth), visit{header: []string{"Cookie", "session=odd"}}, 200, "oddname"},
	} {
		t.Run(name, func(t *testing.T) {
			in, at := ops(t, c.site)
			c.v.url = at + "/"
			status, page, header := c.v.page(t)
			if status != c.status || !strings.Contains(page, c.user) || status == 200 && !shows(page, c.user) {
				t.Errorf("%d\n%s\nwant %d with %q", status, page, c.status, c.user)
			}
			if strings.Contains(page, "root") {
				t.Errorf("the page believes a name that the client chose:\n%s", page)
			}
			if status != 401 && status != 302 && (header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(header.Get("Content-Security-Policy"), "default-src 'none'")) {
				t.Errorf("headers: %v", header)
			}
			if in.logged("believes the header") {
				t.Error("a warning of a header that forward_auth sets")
			}
		})
	}
}

const basicAuth = "basic_auth {\nalice " + hashOfHorse + "\n}\ninbox_dashboard"

// fakeAuth is a server that forward_auth asks, as Authelia is.
func fakeAuth(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch c, _ := r.Cookie("session"); {
		case c == nil:
			w.Header().Set("Location", "https://auth.example.com/?rd="+url.QueryEscape(r.Header.Get("X-Forwarded-Uri")))
			w.WriteHeader(http.StatusFound)
		case c.Value == "nameless":
		case c.Value == "odd":
			w.Header().Set("Remote-User", "odd\u202ename")
		default:
			w.Header().Set("Remote-User", c.Value)
			w.Header().Set("X-Auth-Request-User", c.Value)
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func forwardAuth(at string) string {
	return "forward_auth " + at + " {\nuri /api/authz/forward-auth\ncopy_headers Remote-User Remote-Groups\n}\ninbox_dashboard {\nuser {http.request.header.Remote-User}\n}"
}

func oauth2Proxy(at string) string {
	return "forward_auth " + at + " {\nuri /oauth2/auth\nheader_up X-Real-IP {remote_host}\ncopy_headers X-Auth-Request-User>Remote-User\n}\ninbox_dashboard {\nuser {header.Remote-User}\n}"
}

// A header that the operator names without anything that sets it can be sent by any client:
// that is warned of when the configuration is loaded.
func TestDashboardWarnsOfAHeader(t *testing.T) {
	auth := fakeAuth(t)
	const pages = "inbox_dashboard {\nuser {header.Remote-User}\n}"
	for name, c := range map[string]struct {
		site  string
		warns bool
	}{
		"nothing sets it":       {pages, true},
		"another is copied":     {"forward_auth " + auth + " {\nuri /\ncopy_headers Remote-Email\n}\n" + pages, true},
		"forward_auth too late": {"route {\n" + pages + "\nforward_auth " + auth + " {\nuri /\ncopy_headers Remote-User\n}\n}", true},
		"only the answer's":     {"header Remote-User x\n" + pages, true},
		"removed":               {"request_header -Remote-User\n" + pages, false},
		"in a route":            {"route {\nforward_auth " + auth + " {\nuri /\ncopy_headers Remote-User\n}\n" + pages + "\n}", false},
	} {
		t.Run(name, func(t *testing.T) {
			in, _ := ops(t, c.site)
			if got := in.logged("inbox_dashboard believes the header Remote-User, and nothing before it sets or removes that header"); got != c.warns {
				t.Errorf("warned: %t, want %t", got, c.warns)
			}
		})
	}
}
