package e2e

import (
	"os/exec"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// The programs of this package start, and say what they lack.
func TestProgramsAreInstalled(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "nginx", "haproxy", "openssl", "curl")
	if out, err := exec.Command("nginx", "-v").CombinedOutput(); err != nil {
		t.Errorf("nginx -v: %v\n%s", err, out)
	}
	p := proctest.Start(t, gate(t, t.TempDir(), "INBOX_UPSTREAM=127.0.0.1:1", "INBOX_LISTEN="+proctest.FreeAddress(t)))
	p.Await(t, "serving initial configuration", 1)
	if code := p.Stop(t); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
}
