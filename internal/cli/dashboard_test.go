package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/cli"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// dashboardRun is the command, as it runs.
type dashboardRun struct {
	link, base string
	text       string // What it says when it begins.
	cancel     context.CancelFunc
	out        *watched
	ended      chan error
}

func (d *desk) runDashboard(args ...string) *dashboardRun {
	d.Helper()
	ctx, cancel := context.WithCancel(d.Context())
	r := &dashboardRun{cancel: cancel, out: &watched{}, ended: make(chan error, 1)}
	root := program()
	root.SetOut(r.out)
	root.SetErr(r.out)
	root.SetArgs(append([]string{"inbox", "dashboard", "--admin", d.api.URL}, args...))
	go func() { r.ended <- root.ExecuteContext(ctx) }()
	r.text = r.out.await(d.T, "token=")
	r.text = r.out.await(d.T, "\n")
	if r.link = regexp.MustCompile(`http://[0-9.:]+/\?token=[A-Za-z0-9_-]{43}`).FindString(r.text); r.link == "" {
		d.Fatalf("no link in\n%s", r.text)
	}
	r.base, _, _ = strings.Cut(r.link, "/?")
	d.Cleanup(cancel)
	return r
}

// stop is Ctrl-C.
func (r *dashboardRun) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("Ctrl-C: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://")); err == nil {
		t.Error("the port is still open")
	}
}

// browser keeps cookies and follows no redirect.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{
		Jar: jar, Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// visit returns the status and the page.
func visit(t *testing.T, c *http.Client, method, url string, header ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw), res.Header
}

// The link opens the pages to one browser, and to nobody else.
func TestDashboardCommand(t *testing.T) {
	d := newDesk(t)
	r := d.runDashboard()
	mine, other := browser(t), browser(t)
	const named = "caddy inbox dashboard"

	if status, page, _ := visit(t, other, "GET", r.base+"/"); status != http.StatusForbidden || !strings.Contains(page, named) {
		t.Errorf("without the link: %d %s", status, page)
	}
	status, _, header := visit(t, mine, "GET", r.link)
	if status != http.StatusSeeOther || header.Get("Location") != "/" {
		t.Fatalf("the link answers %d, %v", status, header)
	}
	if status, page, _ := visit(t, mine, "GET", r.base+"/"); status != http.StatusOK || strings.Contains(page, "token=") {
		t.Errorf("with the cookie: %d %s", status, page)
	}
	if status, page, _ := visit(t, other, "GET", r.link); status != http.StatusForbidden || !strings.Contains(page, named) {
		t.Errorf("the link in a second browser: %d %s", status, page)
	}
	at, err := url.Parse(r.base)
	d.ok(err)
	cookie := mine.Jar.Cookies(at)[0].String()
	if status, _, _ := visit(t, other, "GET", r.base+"/", "Host", "evil.example", "Cookie", cookie); status != http.StatusForbidden {
		t.Errorf("under another name: %d", status)
	}
	if status, _, _ := visit(t, other, "GET", r.base+"/", "Host", "localhost:1", "Cookie", cookie); status != http.StatusOK {
		t.Errorf("through a tunnel: %d", status)
	}
	if status, _, _ := visit(t, other, "POST", r.base+"/routes", "Origin", r.base); status != http.StatusForbidden {
		t.Errorf("POST without the cookie: %d", status)
	}
	r.out.await(t, "refused: POST /routes from 127.0.0.1:")
	r.stop(t)
	r.out.await(t, "\nStopped.\n")
}

// What other programs read has the link and nothing else.
func TestDashboardCommandAsJSON(t *testing.T) {
	d := newDesk(t)
	r := d.runDashboard("--format", "json")
	var said struct {
		URL     string
		Expires time.Time
	}
	if err := json.Unmarshal([]byte(r.text), &said); err != nil || said.URL != r.link || time.Until(said.Expires) > 10*time.Minute {
		t.Errorf("%s: %+v, %v", r.text, said, err)
	}
	r.stop(t)
}

func TestDashboardCommandRefuses(t *testing.T) {
	d := newDesk(t)
	nobody := d.api.URL[:strings.LastIndex(d.api.URL, ":")] + ":1"
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--read-only", "--reveal"}, 2, "leave out --read-only, or --reveal"},
		{[]string{"--listen", "9181"}, 2, `--listen is "9181": write it as 127.0.0.1:9181`},
		{[]string{"--listen", ""}, 2, "--listen is empty"},
		{[]string{"--listen", "192.0.2.77:0"}, 1, "give another address with --listen"},
		{[]string{"--admin", nobody}, 3, "is it running there?"},
	} {
		r := runCommand(t.Context(), "", append([]string{"dashboard", "--admin", d.api.URL}, c.args...)...)
		code := 0
		if r.failed != nil {
			code = 1
		}
		if e, ok := errors.AsType[codeError](r.failed); ok {
			code = int(e)
		}
		if code != c.code || !strings.Contains(r.err, c.want) {
			t.Errorf("%q: code %d, %s; want %d, %s", c.args, code, r.err, c.code, c.want)
		}
	}
}

// Whoever is there over ssh gets the line that brings the port to them.
func TestDashboardTunnel(t *testing.T) {
	t.Parallel()
	at := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9181}
	for connection, want := range map[string]string{
		"":                                   "",
		"192.0.2.7 51000 192.0.2.1 22":       "ssh -N -L 9181:127.0.0.1:9181 ops@192.0.2.1",
		"192.0.2.7 51000 192.0.2.1 2222":     "ssh -N -L 9181:127.0.0.1:9181 -p 2222 ops@192.0.2.1",
		"2001:db8::7 51000 2001:db8::1 22":   "ssh -N -L 9181:127.0.0.1:9181 ops@2001:db8::1",
		"192.0.2.7 51000 $(reboot) 22":       "",
		"192.0.2.7 51000 192.0.2.1 22;touch": "",
	} {
		if got := cli.Tunnel(connection, "ops", at); got != want {
			t.Errorf("%q: got %q, want %q", connection, got, want)
		}
	}
}

// What may be done with the pages is what the flags say; who asks for more is told.
func TestDashboardCommandRights(t *testing.T) {
	d := newDesk(t)
	n := d.accept(1, "message.read", map[string]spool.State{"app": spool.Delivered})
	for _, c := range []struct {
		args         []string
		hold, reveal int
		refused      string
	}{
		{nil, 400, 403, "refused: POST /events/"}, // A form of nothing: it is allowed, and wrong.
		{[]string{"--reveal"}, 400, 200, ""},
		{[]string{"--read-only"}, 403, 403, "refused: POST /routes from"},
	} {
		r := d.runDashboard(c.args...)
		mine := browser(t)
		if status, _, _ := visit(t, mine, "GET", r.link); status != http.StatusSeeOther {
			t.Fatalf("%q: the link answers %d", c.args, status)
		}
		if status, page, _ := visit(t, mine, "POST", r.base+"/routes", "Origin", r.base); status != c.hold {
			t.Errorf("%q: holding: %d, want %d\n%s", c.args, status, c.hold, page)
		}
		status, page, _ := visit(t, mine, "POST", fmt.Sprintf("%s/events/%d/full", r.base, n), "Origin", r.base)
		if status != c.reveal || strings.Contains(page, phone) != (c.reveal == 200) {
			t.Errorf("%q: revealing: %d, want %d\n%s", c.args, status, c.reveal, page)
		}
		if status, page, _ := visit(t, mine, "GET", fmt.Sprintf("%s/events/%d", r.base, n)); status != 200 || !strings.Contains(page, maskedPhone) || strings.Contains(page, phone) {
			t.Errorf("%q: the event: %d\n%s", c.args, status, page)
		}
		if c.refused != "" {
			r.out.await(t, c.refused)
		}
		r.stop(t)
	}
}

// Without a browser the link is there all the same.
func TestDashboardWithoutABrowser(t *testing.T) {
	d := newDesk(t)
	t.Setenv("PATH", t.TempDir())
	r := d.runDashboard("--open")
	r.out.await(t, "no browser was opened")
	r.stop(t)
}
