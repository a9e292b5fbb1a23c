package faults

import (
	"fmt"
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
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// admin asks Caddy's admin API and returns what it says.
func admin(t *testing.T, r *rig.Rig, method, path, body string, change func(*http.Request)) (status int, text string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.AdminAddr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(q)
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(all)
}

// Where an operator turns the admin API on, a web page cannot use it: neither
// from its own origin, nor under a name that it has bound to this machine.
func TestFaultAdminFromABrowser(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{Admin: true})
	l := r.Start()
	if status, _ := admin(t, r, http.MethodGet, "/config/", "", nil); status != http.StatusOK {
		t.Fatalf("the operator was answered %d", status)
	}
	header := func(name, value string) func(*http.Request) {
		return func(q *http.Request) { q.Header.Set(name, value) }
	}
	pages := map[string]func(*http.Request){
		"another origin":    header("Origin", "https://evil.example"),
		"a null origin":     header("Origin", "null"),
		"no-cors":           header("Sec-Fetch-Mode", "no-cors"),
		"cors, no origin":   header("Sec-Fetch-Mode", "cors"),
		"a websocket":       header("Upgrade", "websocket"),
		"a rebound name":    func(q *http.Request) { q.Host = "evil.example" },
		"a name and a port": func(q *http.Request) { q.Host = "evil.example:" + strings.Split(r.AdminAddr, ":")[1] },
		"localhost":         func(q *http.Request) { q.Host = "localhost.evil.example" },
	}
	calls := []struct{ method, path, body string }{
		{http.MethodGet, "/config/", ""},
		{http.MethodPost, "/load", `{}`},
		{http.MethodPost, "/config/apps/http/servers/srv0/routes", `{}`},
		{http.MethodPatch, "/config/admin", `{"listen":":0"}`},
		{http.MethodDelete, "/config/", ""},
		{http.MethodPost, "/stop", ""},
		{http.MethodOptions, "/load", ""},
	}
	for name, change := range pages {
		for _, c := range calls {
			if status, text := admin(t, r, c.method, c.path, c.body, change); status < 400 || strings.Contains(text, `"apps"`) {
				t.Errorf("%s: %s %s was answered %d", name, c.method, c.path, status)
			}
		}
	}
	wantOK(t, r, r.Event(event.TypeMessageRead)) // It still stands.
	r.Settle()
	wantJSONLog(t, l.Output())
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{59}, "the admin API from a web page", len(pages)*len(calls))
}

// What runs on its environment alone listens for webhooks, and for nothing else.
func TestFaultNoAdminByDefault(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{})
	cmd := exec.Command(rig.Binary(t))
	cmd.Dir = r.Dir
	ops := proctest.FreeAddress(t)
	// An empty variable is an unset one: the admin endpoint is where it is by
	// default, which is no address of the network.
	cmd.Env = proctest.Env(r.Dir, "INBOX_ADMIN=", "INBOX_OPS_LISTEN="+ops, "INBOX_WEBHOOK_SECRET="+rig.Secret, "INBOX_LISTEN="+r.Listen,
		"INBOX_UPSTREAM="+r.App("all").Addr, "CADDY_ADMIN=0.0.0.0:"+strings.Split(proctest.FreeAddress(t), ":")[1])
	p := proctest.Start(t, cmd)
	p.Await(t, "serving initial configuration", 1)
	got, want := listening(t, p.PID()), []string{r.Listen, ops}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("it listens on %q, and should on %q alone", got, want)
	}
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{59}, "the admin API of the built-in configuration", 1)
}

// listening are the TCP addresses of IPv4 on which a process listens, and those
// of IPv6 as their number.
func listening(t *testing.T, pid int) (all []string) {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("the process has no files: %v", err)
	}
	own := make(map[string]bool)
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil {
			own[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			const listens = "0A"
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != listens || !own[f[9]] {
				continue
			}
			var a, b, c, d, port int
			if _, err := fmt.Sscanf(f[1], "%02X%02X%02X%02X:%04X", &d, &c, &b, &a, &port); err != nil || table == "tcp6" {
				all = append(all, f[1])
				continue
			}
			all = append(all, fmt.Sprintf("%d.%d.%d.%d:%d", a, b, c, d, port))
		}
	}
	return all
}
