package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

const adminToken = "a-token-of-the-tests"

// outside is an address of this machine that is not loopback, as another machine
// would use it.
func outside(t *testing.T) net.IP {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return ip.IP
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no network address other than loopback")
	}
	t.Skip("no network address other than loopback")
	return nil
}

// On an address that others reach, the operator's API is all there is, and it
// opens to nobody without the token: what they get is 401 and 404.
func TestOperatorsPortIsShutToStrangers(t *testing.T) {
	t.Parallel()
	ip := outside(t)
	_, port, err := net.SplitHostPort(proctest.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, listen := range map[string]string{"every interface": "0.0.0.0:" + port, "this one": net.JoinHostPort(ip.String(), port)} {
		p := proctest.Start(t, command(t, dir, []string{
			"INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_UPSTREAM=127.0.0.1:1", "INBOX_DATA_DIR=" + dir + "/d",
			"INBOX_LISTEN=" + proctest.FreeAddress(t), "INBOX_ADMIN=" + listen, "INBOX_ADMIN_TOKEN=" + adminToken,
		}))
		p.Await(t, started, 1)
		at := "http://" + net.JoinHostPort(ip.String(), port)
		for _, token := range []string{"", "wrong", adminToken + "x", adminToken[1:]} {
			for _, call := range strangers {
				method, path, _ := strings.Cut(call, " ")
				status, text := ask(t, method, at+path, token)
				want := http.StatusNotFound
				if strings.HasPrefix(path, "/inbox/") {
					want = http.StatusUnauthorized
				}
				if status != want {
					t.Errorf("%s, token %q: %s is answered %d %s, want %d", name, token, call, status, text, want)
				}
				if strings.Contains(text, newSecret) || strings.Contains(text, adminToken) {
					t.Errorf("%s: %s shows a secret: %s", name, call, text)
				}
			}
		}
		if status, text := ask(t, "GET", at+"/inbox/store", adminToken); status != http.StatusOK {
			t.Errorf("%s: with the token: %d %s", name, status, text)
		}
		if status, _ := ask(t, "GET", at+"/config/", adminToken); status != http.StatusNotFound {
			t.Errorf("%s: the token opens Caddy's own API: %d", name, status)
		}
		if code, out := run(t, command(t, dir, []string{"INBOX_ADMIN=" + listen, "INBOX_ADMIN_TOKEN=" + adminToken}, "store", "status")); code != 0 {
			t.Errorf("%s: `store status` ends with %d: %s", name, code, out)
		}
		if strings.Contains(p.Output(), adminToken) {
			t.Errorf("%s: the log shows the token", name)
		}
		if code := p.Stop(t); code != 0 {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
}

// strangers are calls that someone would try.
var strangers = []string{
	"GET /", "GET /config/", "POST /config/apps/inbox/admin_token", "POST /load", "POST /stop", "POST /adapt", "GET /id/x",
	"GET /debug/pprof/", "GET /debug/pprof/heap", "GET /debug/pprof/cmdline", "GET /debug/vars", "GET /metrics", "GET /pki/ca/local", "GET /reverse_proxy/upstreams",
	"GET /inbox", "GET /inbox/", "GET /inbox/events", "GET /inbox/store", "GET /inbox/store/backup", "GET /inbox/openapi.json",
	"POST /inbox/store/compact", "POST /inbox/replay", "GET /inbox/../config/", "GET /inbox/%2e%2e/config/", "GET //inbox/events", "GET /INBOX/events", "DELETE /inbox/events",
}

func ask(t *testing.T, method, url, token string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultTransport.RoundTrip(q) // A redirect is an answer of its own.
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

// A Caddyfile that opens Caddy's own admin API to others, or shows the token, is
// told so at the start; one that does neither is not.
func TestOpenAdminInACaddyfileIsTold(t *testing.T) {
	t.Parallel()
	const open, literal = "admin API is open to other machines", "admin_token is written into the configuration"
	address := proctest.FreeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	for name, c := range map[string]struct {
		admin, token string
		want         []string
	}{
		"every interface": {"0.0.0.0:" + port, "{env.INBOX_TOKEN}", []string{open}},
		"no host":         {":" + port, "{env.INBOX_TOKEN}", []string{open}},
		"loopback":        {address, "{env.INBOX_TOKEN}", nil},
		"off":             {"off", "a-token-that-is-a-literal", []string{literal}},
	} {
		text := fmt.Sprintf("{\n\tadmin %s\n\tpersist_config off\n\tinbox {\n\t\tadmin_token %s\n\t\tdata_dir %s\n\t}\n}\nhttp://:%s {\n\tinbox_webhook /hook app:3000\n}\n",
			c.admin, c.token, t.TempDir()+"/d", strings.Split(proctest.FreeAddress(t), ":")[1])
		dir := t.TempDir()
		mount(t, dir, text)
		p := proctest.Start(t, command(t, dir, []string{"INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_TOKEN=" + adminToken}))
		p.Await(t, started, 1)
		for _, w := range []string{open, literal} {
			want := false
			for _, x := range c.want {
				want = want || x == w
			}
			if got := strings.Contains(p.Output(), w); got != want {
				t.Errorf("%s: %q is told: %t, want %t", name, w, got, want)
			}
		}
		if code := p.Stop(t); code != 0 {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
}
