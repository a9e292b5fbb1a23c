package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
)

const horse = "correct-horse"

// surfer is a browser: it keeps cookies, and shows what it is answered.
type surfer struct {
	*testing.T
	*http.Client
	user, password string
}

func newSurfer(t *testing.T) *surfer {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // A test's own certificate.
	t.Cleanup(tr.CloseIdleConnections)
	return &surfer{T: t, Client: &http.Client{Jar: jar, Transport: tr, Timeout: proctest.Patience}}
}

// do returns the status and the page. body is that of a form.
func (s *surfer) do(method, at, host, body string, header ...string) (int, string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, at, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if r.Host = host; s.user != "" {
		r.SetBasicAuth(s.user, s.password)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := s.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

func (s *surfer) get(at string) (int, string) { s.Helper(); return s.do(http.MethodGet, at, "", "") }

var formToken = regexp.MustCompile(`name="form" value="([^"]+)"`)

// hold holds the default route by the form of a page.
func (s *surfer) hold(at, page string) (int, string) {
	s.Helper()
	token := formToken.FindStringSubmatch(page)
	if token == nil {
		s.Fatalf("no form in\n%s", page)
	}
	return s.do(http.MethodPost, at+"/routes", "", url.Values{"form": {token[1]}, "source": {"inbox"}, "route": {"default"}, "do": {"hold"}, "reason": {"by hand"}}.Encode(), "Origin", at)
}

// hashed returns what the program makes of a password that it reads.
func hashed(t *testing.T, password string) string {
	t.Helper()
	c := command(t, t.TempDir(), nil, "hash-password", "--bcrypt-cost", "4")
	c.Stdin = strings.NewReader(password + "\n")
	code, text := run(t, c)
	if code != 0 {
		t.Fatalf("hash-password: %d %s", code, text)
	}
	return strings.TrimSpace(text)
}

// On loopback the dashboard asks nobody; the name of whoever is there is in the audit log.
func TestDashboardOnLoopback(t *testing.T) {
	t.Parallel()
	app := testapp.New(t, nil)
	pages := proctest.FreeAddress(t)
	p := proctest.Start(t, gate(t, t.TempDir(), "INBOX_UPSTREAM="+app.Addr, "INBOX_LISTEN="+proctest.FreeAddress(t), "INBOX_DASHBOARD="+pages))
	p.Await(t, started, 1)
	if want := `"dashboard":"http://` + pages + `"`; !strings.Contains(p.Output(), want) {
		t.Errorf("the start does not tell %s", want)
	}
	me, at := newSurfer(t), "http://"+pages
	status, page := me.get(at + "/")
	if status != 200 || !strings.Contains(page, "this machine") {
		t.Fatalf("%d\n%s", status, page)
	}
	if status, page := me.do("GET", at+"/", "rebound.example", ""); status != 403 {
		t.Errorf("under another name: %d\n%s", status, page)
	}
	if status, page := me.hold(at, page); status != 200 {
		t.Errorf("holding: %d\n%s", status, page)
	}
	p.Await(t, `"user":"this machine"`, 1)
}

// Where other machines reach it, it asks for the user of INBOX_DASHBOARD_USER.
func TestDashboardAsksForThePassword(t *testing.T) {
	t.Parallel()
	app := testapp.New(t, nil)
	_, port, _ := net.SplitHostPort(proctest.FreeAddress(t))
	hash := filepath.Join(t.TempDir(), "hash")
	if err := os.WriteFile(hash, []byte(hashed(t, horse)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"INBOX_DASHBOARD_PASSWORD_HASH=" + hashed(t, horse), "INBOX_DASHBOARD_PASSWORD_HASH_FILE=" + hash} {
		p := proctest.Start(t, gate(t, t.TempDir(), "INBOX_UPSTREAM="+app.Addr, "INBOX_LISTEN="+proctest.FreeAddress(t),
			"INBOX_DASHBOARD=:"+port, "INBOX_DASHBOARD_USER=alice", from, "INBOX_DASHBOARD_ACTIONS=operate"))
		p.Await(t, started, 1)
		me, at := newSurfer(t), "http://127.0.0.1:"+port
		for user, want := range map[string]int{"": 401, "alice:wrong": 401, "bob:" + horse: 401, "alice:" + horse: 200} {
			me.user, me.password, _ = strings.Cut(user, ":")
			status, page := me.get(at + "/")
			if status != want {
				t.Errorf("%s: %d, want %d\n%s", user, status, want, page)
			}
			if want != 200 {
				continue
			}
			if status, page := me.hold(at, page); status != 200 {
				t.Errorf("holding: %d\n%s", status, page)
			}
		}
		p.Await(t, `"user":"alice"`, 1)
		if strings.Contains(p.Output(), horse) {
			t.Error("the log holds the password")
		}
		if code := p.Stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}

// A proxy on this machine has a loopback address, and everybody behind it would have. Nobody
// gets in by it without a user: it is known by the headers that it adds, by its HTTP/1.0, or
// by the name that it was asked for.
func TestDashboardBehindAProxy(t *testing.T) {
	t.Parallel()
	app := testapp.New(t, nil)
	pages, locked := proctest.FreeAddress(t), proctest.FreeAddress(t)
	p := proctest.Start(t, gate(t, t.TempDir(), "INBOX_UPSTREAM="+app.Addr, "INBOX_LISTEN="+proctest.FreeAddress(t), "INBOX_DASHBOARD="+pages))
	p.Await(t, started, 1)
	asks := proctest.Start(t, gate(t, t.TempDir(), "INBOX_UPSTREAM="+app.Addr, "INBOX_LISTEN="+proctest.FreeAddress(t), "INBOX_DASHBOARD="+locked,
		"INBOX_DASHBOARD_USER=alice", "INBOX_DASHBOARD_PASSWORD_HASH="+hashed(t, horse)))
	asks.Await(t, started, 1)
	me := newSurfer(t)
	for name, start := range map[string]func(*testing.T, string) string{"nginx": nginx, "haproxy": haproxy} {
		front := "https://" + start(t, pages)
		for _, host := range []string{"ops.example.com", "localhost", "127.0.0.1"} {
			if status, page := me.do("GET", front+"/", host, ""); status != 503 || !strings.Contains(page, "through a proxy") {
				t.Errorf("%s as %s: %d\n%s", name, host, status, page)
			}
		}
		if status, page := me.do("POST", front+"/routes", "localhost", "do=hold", "Origin", "https://localhost"); status != 503 {
			t.Errorf("%s, POST: %d\n%s", name, status, page)
		}
		front = "https://" + start(t, locked)
		alice := newSurfer(t)
		alice.user, alice.password = "alice", horse
		if status, page := alice.do("GET", front+"/", "ops.example.com", ""); status != 200 || !strings.Contains(page, "alice") {
			t.Errorf("%s with a user: %d\n%s", name, status, page)
		}
	}
	if status, page := me.do("GET", "http://"+bareNginx(t, pages)+"/", "localhost", ""); status != 503 || !strings.Contains(page, "HTTP/1.0") {
		t.Errorf("nginx without headers: %d\n%s", status, page)
	}
	if status, page := me.do("GET", "http://"+bareHAProxy(t, pages)+"/", "ops.example.com", ""); status != 403 {
		t.Errorf("haproxy without headers: %d\n%s", status, page)
	}
	p.Await(t, "dashboard refused a change", 2)
}

// bareNginx adds no header of its own.
func bareNginx(t *testing.T, to string) string {
	t.Helper()
	proctest.Needs(t, "nginx")
	dir, listen := t.TempDir(), proctest.FreeAddress(t)
	return proxy(t, listen, filepath.Join(dir, "nginx.conf"), fmt.Sprintf("pid %[1]s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s/b;\nproxy_temp_path %[1]s/p;\nfastcgi_temp_path %[1]s/f;\nuwsgi_temp_path %[1]s/u;\nscgi_temp_path %[1]s/s;\nserver {\nlisten %[2]s;\nlocation / {\nproxy_pass http://%[3]s;\n}\n}\n}\n", dir, listen, to),
		"nginx", "-g", "daemon off; master_process off;", "-e", "stderr", "-p", dir, "-c")
}

// bareHAProxy adds no header of its own, and passes the Host on.
func bareHAProxy(t *testing.T, to string) string {
	t.Helper()
	proctest.Needs(t, "haproxy")
	listen := proctest.FreeAddress(t)
	return proxy(t, listen, filepath.Join(t.TempDir(), "haproxy.cfg"), fmt.Sprintf("defaults\nmode http\ntimeout connect 5s\ntimeout client 30s\ntimeout server 30s\nfrontend in\nbind %s\ndefault_backend gate\nbackend gate\nserver gate %s\n", listen, to), "haproxy", "-db", "-f")
}

// `inboxgate dashboard` opens the pages of a running instance, whose own dashboard is off, to
// one browser, and leaves nothing when it ends.
func TestDashboardCommandOpensARunningInstance(t *testing.T) {
	t.Parallel()
	app := testapp.New(t, nil)
	dir := t.TempDir()
	p := proctest.Start(t, gate(t, dir, "INBOX_UPSTREAM="+app.Addr, "INBOX_LISTEN="+proctest.FreeAddress(t), "INBOX_ADMIN=", "INBOX_DATA_DIR="+filepath.Join(dir, "d")))
	p.Await(t, started, 1)
	p.Await(t, "finished cleaning storage units", 1) // Caddy's own files are there by then.
	before := files(t, dir)
	c := command(t, dir, []string{"SSH_CONNECTION=192.0.2.7 50000 192.0.2.1 2222", "INBOX_DATA_DIR=" + filepath.Join(dir, "d")}, "dashboard", "--reveal")
	d := proctest.Start(t, c)
	d.Await(t, "token=", 1)
	link := regexp.MustCompile(`http://127\.0\.0\.1:\d+/\?token=\S+`).FindString(d.Output())
	at, _, _ := strings.Cut(link, "/?")
	d.Await(t, "ssh -N -L "+strings.TrimPrefix(at, "http://127.0.0.1:")+":"+strings.TrimPrefix(at, "http://")+" -p 2222 ", 1)

	me, other := newSurfer(t), newSurfer(t)
	if status, page := other.get(at + "/"); status != 403 || !strings.Contains(page, "inboxgate dashboard") {
		t.Errorf("without the link: %d\n%s", status, page)
	}
	status, page := me.get(link)
	if status != 200 || !strings.Contains(page, "<nav") || strings.Contains(page, "token=") {
		t.Fatalf("the link: %d\n%s", status, page)
	}
	if status, _ := other.get(link); status != 403 {
		t.Errorf("the link in another browser: %d", status)
	}
	if status, page := me.hold(at, page); status != 200 {
		t.Errorf("holding: %d\n%s", status, page)
	}
	p.Await(t, `"change":"hold"`, 1)
	p.Await(t, `"user":"`, 1) // Whoever runs this test.
	if code := d.Stop(t); code != 0 {
		t.Errorf("Ctrl-C: exit code %d", code)
	}
	if after := files(t, dir); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("files before: %q, after: %q", before, after)
	}
	if c, err := net.Dial("tcp", strings.TrimPrefix(at, "http://")); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

// files returns the names of all that is in a directory.
func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
