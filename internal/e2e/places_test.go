package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// A secret that is not set is known only when the configuration is provisioned.
// The error has its file and line all the same, wherever this very process has read
// the Caddyfile, and says what to do everywhere.
func TestUnsetSecretHasItsLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "Caddyfile")
	operator, listen := proctest.FreeAddress(t), proctest.FreeAddress(t)
	write := func(more string) {
		text := fmt.Sprintf("{\n\tadmin %s\n\tinbox {\n\t\tdata_dir %s\n\t}\n}\nhttp://%s {\n\tinbox_webhook /hook {\n\t\tsecret {env.INBOX_WEBHOOK_SECRET}\n%s\t\tto 127.0.0.1:1\n\t}\n}\n",
			operator, filepath.Join(dir, "d"), listen, more)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"INBOX_WEBHOOK_SECRET=" + newSecret}
	const unset = "{env.NOT_SET} is empty: set what it names"
	write("")
	p := proctest.Start(t, command(t, dir, env, "run", "--config", path))
	p.Await(t, started, 1)

	write("\t\tsecret {env.NOT_SET}\n")
	for _, argv := range [][]string{
		{"validate", "--config", path},
		{"run", "--config", path},
	} {
		code, out := run(t, command(t, dir, env, argv...))
		if code == 0 || !strings.Contains(out, unset) || !strings.Contains(out, "Caddyfile:10") {
			t.Errorf("%s: exit code %d, want a failure with the line and the fix:\n%s", argv[0], code, out)
		}
	}
	// What a reload brings to the running process is JSON, without positions: the
	// secret's number has to do.
	code, out := run(t, command(t, dir, env, "reload", "--config", path))
	if code == 0 || !strings.Contains(out, unset) || !strings.Contains(out, "secret 2") {
		t.Errorf("reload: exit code %d, want a failure with the fix:\n%s", code, out)
	}
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
