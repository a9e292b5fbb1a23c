package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// A second inboxgate on the port of the first is refused where the environment says
// it all, whatever its data directory, and the first goes on.
func TestSecondOnThePortIsRefused(t *testing.T) {
	t.Parallel()
	listen, ops := proctest.FreeAddress(t), proctest.FreeAddress(t)
	_, port, _ := net.SplitHostPort(listen)
	env := func(listen, ops string) []string {
		return []string{"INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_UPSTREAM=127.0.0.1:1", "INBOX_LISTEN=" + listen, "INBOX_OPS_LISTEN=" + ops}
	}
	p := proctest.Start(t, command(t, t.TempDir(), env(listen, ops)))
	p.Await(t, started, 1)
	for name, second := range map[string][]string{
		"the same":        env(listen, "off"),
		"every interface": env(":"+port, "off"),
		"its ops":         env(proctest.FreeAddress(t), ops),
	} {
		code, out := run(t, command(t, t.TempDir(), second))
		if code != 1 || !strings.Contains(out, "another process listens on ") || !strings.Contains(out, "INBOX_LISTEN") {
			t.Errorf("%s: exit code %d:\n%s", name, code, out)
		}
	}
	wantPost(t, "http://"+listen+"/webhooks/inbox", sample(t), newSecret, 200, "accepted")
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	// Its port is free at once.
	p = proctest.Start(t, command(t, t.TempDir(), env(listen, ops)))
	p.Await(t, started, 1)
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// In a Caddyfile it is warned of: there a port may be shared on purpose.
func TestSecondOnThePortIsWarnedOf(t *testing.T) {
	t.Parallel()
	listen := proctest.FreeAddress(t)
	_, port, _ := net.SplitHostPort(listen)
	begin := func() *proctest.Process {
		dir := t.TempDir()
		mount(t, dir, fmt.Sprintf("{\n\tadmin off\n}\nhttp://:%s {\n\tbind 127.0.0.1\n\tinbox_webhook /hook 127.0.0.1:1\n\trespond 404\n}\n", port))
		p := proctest.Start(t, command(t, dir, []string{"INBOX_WEBHOOK_SECRET=" + newSecret}))
		p.Await(t, started, 1)
		return p
	}
	const warning = "another process listens on the same port"
	first := begin()
	second := begin()
	second.Await(t, warning, 1)
	second.Await(t, `"port":`+port, 1)
	for _, p := range []*proctest.Process{second, first} {
		if code := p.Stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}
