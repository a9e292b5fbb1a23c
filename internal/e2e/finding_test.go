package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
)

// runs starts an inboxgate whose commands and data directory share home, the
// home of its user.
func runs(t *testing.T, home, data string) *proctest.Process {
	t.Helper()
	app := testapp.New(t, nil)
	p := proctest.Start(t, command(t, home, []string{
		"INBOX_ADMIN=", "INBOX_DATA_DIR=" + data, "INBOX_WEBHOOK_SECRET=" + newSecret,
		"INBOX_UPSTREAM=" + app.Addr, "INBOX_LISTEN=" + proctest.FreeAddress(t),
	}))
	p.Await(t, started, 1)
	return p
}

func asks(t *testing.T, home string, code int, says []string, env []string, args ...string) {
	t.Helper()
	got, out := run(t, command(t, home, append([]string{"INBOX_ADMIN="}, env...), args...))
	if got != code {
		t.Errorf("%q ends with %d, want %d: %s", args, got, code, out)
	}
	for _, s := range says {
		if !strings.Contains(out, s) {
			t.Errorf("%q does not say %q: %s", args, s, out)
		}
	}
}

// A shell that knows nothing of the server's environment finds the one that
// runs, asks which where there are two, and believes no pointer of a dead one.
func TestCommandsFindTheInstance(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	first := filepath.Join(home, "first")
	second := filepath.Join(home, "second")
	list := []string{"routes", "list"}
	p := runs(t, home, first)
	asks(t, home, 0, []string{"default"}, nil, list...)
	asks(t, home, 0, []string{"default"}, []string{"INBOX_DATA_DIR=" + first}, list...)
	q := runs(t, home, second)
	asks(t, home, 2, []string{"2 inboxgates run here", "--admin unix/" + first, "--admin unix/" + second}, nil, list...)
	asks(t, home, 0, []string{"default"}, []string{"INBOX_DATA_DIR=" + second}, list...)
	asks(t, home, 0, []string{"default"}, []string{"INBOX_ADMIN=unix/" + first + "/admin.sock"}, list...)
	// Who names a directory means no other one.
	other := filepath.Join(home, "third")
	asks(t, home, 3, []string{other + "/admin.sock (no such file or directory)", "INBOX_ADMIN", "INBOX_DATA_DIR"}, []string{"INBOX_DATA_DIR=" + other}, list...)

	if code := p.Stop(t); code != 0 {
		t.Errorf("SIGTERM ends with %d", code)
	}
	asks(t, home, 0, []string{"default"}, nil, list...)
	q.Signal(t, syscall.SIGKILL)
	q.Wait(t)
	asks(t, home, 3, []string{"connection refused"}, []string{"INBOX_DATA_DIR=" + second}, list...)
	asks(t, home, 3, nil, nil, list...)
	if left, _ := filepath.Glob(filepath.Join(home, "inboxgate", "*.json")); len(left) != 1 {
		t.Errorf("pointers: %q, want only that of the one that was killed", left)
	}
}

// own starts an inboxgate by a Caddyfile whose admin endpoint is there, with probes
// at a port of their own.
func own(t *testing.T, home, admin string) (p *proctest.Process, probes string) {
	t.Helper()
	dir := t.TempDir()
	probes = proctest.FreeAddress(t)
	_, port, _ := strings.Cut(probes, ":")
	_, site, _ := strings.Cut(proctest.FreeAddress(t), ":")
	config := fmt.Sprintf("{\n admin %s\n persist_config off\n inbox {\n data_dir %s\n }\n}\nhttp://:%s {\n bind 127.0.0.1\n inbox_webhook /hook {\n name own\n to 127.0.0.1:1\n }\n}\nhttp://:%s {\n bind 127.0.0.1\n inbox_health\n}\n",
		admin, filepath.Join(dir, "store"), site, port)
	path := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, home, []string{"INBOX_ADMIN=", "INBOX_OPS_LISTEN=", "INBOX_WEBHOOK_SECRET=" + newSecret}, "run", "--config", path)
	cmd.Dir = dir
	p = proctest.Start(t, cmd)
	p.Await(t, started, 1)
	return p, probes
}

// An inboxgate with a Caddyfile is found as well, and confused with no other one.
func TestCommandsFindTheInstanceOfACaddyfile(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	list := []string{"routes", "list"}
	tcp := proctest.FreeAddress(t)
	p, _ := own(t, home, tcp)
	asks(t, home, 0, []string{"own"}, nil, list...)
	q, _ := own(t, home, "unix/admin.sock")
	asks(t, home, 2, []string{"2 inboxgates run here", "--admin " + tcp, "/admin.sock  (process"}, nil, list...)
	p.Stop(t)
	asks(t, home, 0, []string{"own"}, nil, list...)
	off, _ := own(t, home, "off") // It has no API.
	asks(t, home, 0, []string{"own"}, nil, list...)
	off.Stop(t)
	// That in the default data directory is not preferred silently.
	r := runs(t, home, "")
	asks(t, home, 2, []string{"2 inboxgates run here", filepath.Join(home, "data")}, nil, list...)
	q.Stop(t)
	r.Stop(t)
	if left, _ := filepath.Glob(filepath.Join(home, "inboxgate", "*.json")); len(left) != 0 {
		t.Errorf("pointers are left: %q", left)
	}
}

// health finds the probes of the one that runs.
func TestHealthFindsTheInstance(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	blank := []string{"INBOX_OPS_LISTEN="}
	app := testapp.New(t, nil)
	first := proctest.FreeAddress(t)
	p := proctest.Start(t, command(t, home, []string{
		"INBOX_ADMIN=", "INBOX_DATA_DIR=" + filepath.Join(home, "first"), "INBOX_WEBHOOK_SECRET=" + newSecret,
		"INBOX_UPSTREAM=" + app.Addr, "INBOX_LISTEN=" + proctest.FreeAddress(t), "INBOX_OPS_LISTEN=" + first,
	}))
	p.Await(t, started, 1)
	asks(t, home, 0, []string{"OK"}, blank, "health")
	asks(t, home, 0, []string{"OK"}, blank, "health", "--ready")
	q, second := own(t, home, "unix/admin.sock")
	asks(t, home, 2, []string{"2 inboxgates run here", "--address " + first, "--address " + second}, blank, "health")
	asks(t, home, 0, []string{"OK"}, []string{"INBOX_OPS_LISTEN=" + second}, "health")
	asks(t, home, 3, []string{"127.0.0.1:1", "--address or INBOX_OPS_LISTEN"}, []string{"INBOX_OPS_LISTEN=127.0.0.1:1"}, "health")
	asks(t, home, 0, []string{"OK"}, append(blank, "INBOX_DATA_DIR="+filepath.Join(home, "first")), "health")
	p.Stop(t)
	asks(t, home, 0, []string{"OK"}, blank, "health")
	q.Stop(t)
}

// Another user hears that the permission is missing, and whose it is.
func TestCommandsOfAnotherUser(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "root")
	home := t.TempDir()
	data := filepath.Join(home, "data")
	p := runs(t, home, data)
	for path := home; path != "/" && path != os.TempDir(); path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(buildDir, 0o755); err != nil {
		t.Fatal(err)
	}
	denied := []string{"permission denied on " + data + "/admin.sock: run it as root"}
	for name, env := range map[string][]string{
		"by its directory": {"INBOX_DATA_DIR=" + data},
		"by its pointer":   {"XDG_DATA_HOME=/nonexistent"},
		"by its address":   {"INBOX_ADMIN=unix/" + data + "/admin.sock"},
	} {
		cmd := command(t, home, append([]string{"INBOX_ADMIN="}, env...), "routes", "list")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		code, out := run(t, cmd)
		if code != 3 || !strings.Contains(out, denied[0]) {
			t.Errorf("%s: ends with %d and says %s, want %q", name, code, out, denied[0])
		}
	}
	p.Stop(t)
}

// The exit code tells a script what kind of failure it was, for every command.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	data := filepath.Join(home, "data")
	p := runs(t, home, data)
	here := []string{"INBOX_DATA_DIR=" + data}
	nobody := "unix/" + filepath.Join(home, "nobody.sock")
	sound := []string{"INBOX_WEBHOOK_SECRET=" + newSecret}
	for _, c := range []struct {
		code int
		env  []string
		line string
	}{
		{0, here, "routes list"},
		{0, here, "events list"},
		{0, here, "dead list"},
		{0, here, "quarantine list"},
		{0, here, "store status"},
		{1, here, "events show evt_nothing"},
		{1, here, "events replay evt_nothing"},
		{1, here, "dead discard evt_nothing"},
		{1, here, "quarantine show 999"},
		{1, here, "routes hold nothing"},
		{1, nil, "store check " + filepath.Join(home, "nothing")},
		{1, sound, "verify --signature sha256=00"},
		{2, here, "events list --state dad"},
		{2, here, "events list --since yesterday-ish"},
		{2, here, "events list --nothing"},
		{2, here, "events list --limit -1"},
		{2, here, "events list one"},
		{2, here, "events show"},
		{2, here, "events lst"},
		{2, nil, "event list"},
		{2, nil, "statu"},
		{2, nil, "help triger"},
		{0, nil, "help trigger"},
		{2, here, "events list --format yaml"},
		{2, here, "dead replay --rate 0 --all"},
		{2, here, "dead discard"},
		{2, here, "dead discard --all"}, // Nobody is there to be asked.
		{2, here, "quarantine show"},
		{2, here, "routes hold"},
		{2, here, "store nothing"},
		{2, nil, "routes list --admin %%%"},
		{2, nil, "trigger --count 0"},
		{2, nil, "health --nothing"},
		{2, nil, "demo --nothing"},
		{2, nil, "emulator --nothing"},
		{2, nil, "sign --nothing"},
		{2, nil, "webhooks nothing"},
		{2, nil, "trigger"},
		{2, nil, "trigger message.reed"},
		{2, nil, "trigger message.read --raw body.json"},
		{2, nil, "trigger message.read --header none"},
		{2, nil, "trigger message.read --override data.to"},
		{2, nil, "verify"},
		{2, nil, "health --address nowhere"},
		{2, nil, "emulator --listen nowhere"},
		{2, nil, "demo --listen nowhere"},
		{2, nil, "events list --store " + data + " --admin " + nobody},
		{2, []string{"INBOX_API_KEY=a-key-of-the-tests"}, "webhooks create"},
		{2, []string{"INBOX_API_KEY=a-key-of-the-tests"}, "webhooks update wh_1"},
		{2, []string{"INBOX_API_KEY=a-key", "INBOX_API_KEY_FILE=also"}, "webhooks list"},
		{3, nil, "routes list --admin " + nobody},
		{3, nil, "events list --admin " + nobody},
		{3, nil, "events show x --admin " + nobody},
		{3, nil, "dead list --admin " + nobody},
		{3, nil, "quarantine list --admin " + nobody},
		{3, nil, "store status --admin " + nobody},
		{3, nil, "health --address 127.0.0.1:1"},
		{3, []string{"INBOX_API_KEY=a-key-of-the-tests"}, "webhooks list --api-url http://127.0.0.1:1"},
	} {
		cmd := command(t, home, append([]string{"INBOX_ADMIN="}, c.env...), strings.Fields(c.line)...)
		cmd.Stdin = strings.NewReader("")
		if code, out := run(t, cmd); code != c.code || c.code > 0 && strings.Count(out, "Error: ") != 1 && !strings.HasPrefix(c.line, "verify") {
			t.Errorf("%s: ends with %d, want %d and one error: %s", c.line, code, c.code, out)
		}
	}
	p.Stop(t)
}

// A shell completes the short commands as it does Caddy's.
func TestShortCommandsAreCompleted(t *testing.T) {
	t.Parallel()
	for word, want := range map[string][]string{"ev": {"events\n"}, "st": {"status\n", "store\n", "stop"}, "": {"demo\n", "run"}} {
		_, out := run(t, command(t, t.TempDir(), nil, "__complete", word))
		for _, w := range want {
			if !strings.Contains("\n"+out, "\n"+w) {
				t.Errorf("completing %q does not offer %q: %s", word, w, out)
			}
		}
	}
	_, help := run(t, command(t, t.TempDir(), nil, "help", "inbox", "events", "list"))
	if strings.Contains(help, "inbox events") || strings.Contains(help, "caddyserver.com") || !strings.Contains(help, "inboxgate events list") {
		t.Errorf("the help says how Caddy does it: %s", help)
	}
}
