package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// TestE2ENoSecret starts the process, once with the built-in Caddyfile and once
// with a mounted one, with secrets that protect nothing.
func TestE2ENoSecret(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ secret, builtIn, mounted string }{
		"empty": {"", "set INBOX_WEBHOOK_SECRET", "set INBOX_WEBHOOK_SECRET"},
		"blank": {"   ", "set INBOX_WEBHOOK_SECRET", "set INBOX_WEBHOOK_SECRET"},
		"short": {"fifteen bytes..", "at least 16; copy all of it", "shorter than 16 bytes: use the whole signing secret"},
	} {
		for _, mounted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, mounted %t", name, mounted), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				env := []string{"INBOX_WEBHOOK_SECRET=" + c.secret}
				fix := c.builtIn
				if mounted {
					fix = c.mounted
					mount(t, dir, fmt.Sprintf("{\n\tadmin off\n}\nhttp://%s {\n\tinbox_webhook /webhooks/inbox app:3000\n}\n", proctest.FreeAddress(t)))
				} else {
					env = append(env, "INBOX_UPSTREAM=app:3000", "INBOX_LISTEN="+proctest.FreeAddress(t))
				}
				code, out := run(t, command(t, dir, env))
				if code == 0 || strings.Contains(out, started) {
					t.Errorf("exit code %d: it has started:\n%s", code, out)
				}
				if !strings.Contains(out, "INBOX_WEBHOOK_SECRET") || !strings.Contains(out, fix) {
					t.Errorf("%q is not told:\n%s", fix, out)
				}
				if secret := strings.TrimSpace(c.secret); secret != "" && strings.Contains(out, secret) {
					t.Errorf("the secret is told:\n%s", out)
				}
				if _, err := os.Stat(filepath.Join(dir, "data", "caddy", "inbox")); err == nil {
					t.Error("a store was opened")
				}
			})
		}
	}
}
