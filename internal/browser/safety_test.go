package browser

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/browser/gate"
)

// attack is a request that must not change anything.
type attack struct {
	header map[string]string
	host   string
	status int
	// line is what the audit log says of it.
	line string
}

// A change that does not come from a page of ours, or from somebody who may not make it,
// is refused, and noted with the reason.
func TestNoForeignRequestChangesAnything(t *testing.T) {
	t.Parallel()
	app := gate.NewApp(t)
	// Its hash is that of the word "password", made with the least cost there is.
	const alice = "basic_auth {\n\t\talice $2a$04$Kq7kRz0t3yN/lLJznCh.K.PPQu.3Yhz340a6D69.WuCANyZKXfN7S\n\t}\n\t"
	for name, c := range map[string]struct {
		pages   string
		attacks map[string]attack
	}{
		"operate": {"inbox_dashboard {\n\t\tactions operate\n\t}", map[string]attack{
			"no origin":            {status: 403, line: "no origin"},
			"another origin":       {header: map[string]string{"Origin": "http://evil.example"}, status: 403, line: "another origin"},
			"an opaque origin":     {header: map[string]string{"Origin": "null"}, status: 403, line: "another origin"},
			"another port":         {header: map[string]string{"Origin": "http://127.0.0.1:1"}, status: 403, line: "another origin"},
			"cross-site":           {header: map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, status: 403, line: "another origin"},
			"same-site":            {header: map[string]string{"Sec-Fetch-Site": "same-site"}, status: 403, line: "another origin"},
			"DNS rebinding":        {header: map[string]string{"Origin": "http://evil.example"}, host: "evil.example", status: 403, line: "The name in the address"},
			"through a proxy":      {header: map[string]string{"Origin": "own", "X-Forwarded-For": "192.0.2.7"}, status: 503, line: "through a proxy"},
			"through another":      {header: map[string]string{"Origin": "own", "Via": "1.1 proxy"}, status: 503, line: "through a proxy"},
			"a form that is stale": {header: map[string]string{"Origin": "own"}, status: 409},
		}},
		"read": {"inbox_dashboard", map[string]attack{
			"own origin": {header: map[string]string{"Origin": "own", "Sec-Fetch-Site": "same-origin"}, status: 403, line: "no right to operate"},
		}},
		"basic_auth": {alice + "inbox_dashboard {\n\t\tactions operate\n\t}", map[string]attack{
			"no user":          {header: map[string]string{"Origin": "own"}, status: 401},
			"a wrong password": {header: map[string]string{"Origin": "own", "Authorization": "Basic YWxpY2U6d3Jvbmc="}, status: 401},
			"no origin":        {header: map[string]string{"Authorization": "Basic YWxpY2U6cGFzc3dvcmQ="}, status: 403, line: "alice"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gate.Start(t, gate.Config{Pages: c.pages, Routes: []gate.Route{{Types: "*", Name: "app", App: app}}})
			for name, a := range c.attacks {
				text, status := a.send(t, g)
				if status != a.status {
					t.Errorf("%s: answered %d, not %d: %.300s", name, status, a.status, text)
				}
				if strings.Contains(text, "evil.example") {
					t.Errorf("%s: the answer repeats a foreign name", name)
				}
			}
			lines := audit(t, g)
			for name, a := range c.attacks {
				if a.line != "" && !strings.Contains(lines, a.line) {
					t.Errorf("%s: no line of the audit log has %q:\n%s", name, a.line, lines)
				}
			}
			for _, r := range g.Routes(t) {
				if r.State != "ready" {
					t.Errorf("the route is %s afterwards", r.State)
				}
			}
		})
	}
}

// send tries to hold the route, and returns what was answered.
func (a attack) send(t *testing.T, g *gate.Gate) (text string, status int) {
	t.Helper()
	form := url.Values{"do": {"hold"}, "source": {"inbox"}, "route": {"app"}, "reason": {"an attack"}}
	r, err := http.NewRequest(http.MethodPost, g.Pages+"/routes", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range a.header {
		if value == "own" {
			value = g.Pages
		}
		r.Header.Set(name, value)
	}
	r.Host = a.host
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), answer.StatusCode
}

// audit returns the lines of the audit log.
func audit(t *testing.T, g *gate.Gate) string {
	t.Helper()
	text, err := os.ReadFile(g.Log)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "inbox.audit") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// A name that was made to lead to this machine shows nothing either.
func TestDNSRebindingSeesNothing(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Config{Routes: []gate.Route{{Types: "*", Name: "app", App: gate.NewApp(t)}}})
	g.Send(t, gate.Event{ID: "evt_secret_0001", Type: "message.read"})
	for _, path := range []string{"/", "/events", "/events?id=evt_secret_0001", "/decide", "/store", "/sources"} {
		r, err := http.NewRequest(http.MethodGet, g.Pages+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "evil.example"
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusForbidden || strings.Contains(string(body), "evt_secret") {
			t.Errorf("%s: %s %v\n%.300s", path, answer.Status, err, body)
		}
	}
}
