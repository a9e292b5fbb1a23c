// Package systemd_test asks systemd what it makes of the unit.
package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

const unit = "inboxgate.service"

// exposed is what `systemd-analyze security` may give the unit at most, of 100.
const exposed = "25"

// placed is a copy of the unit whose program is one that exists.
func placed(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const program = "ExecStart=/usr/local/bin/inboxgate\n"
	if strings.Count(string(text), program) != 1 {
		t.Fatalf("%s does not start the binary that the README installs", unit)
	}
	path := filepath.Join(t.TempDir(), unit)
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), program, "ExecStart="+self+"\n", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func analyze(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", args...)
	cmd.Env = append(os.Environ(), "SYSTEMD_LOG_LEVEL=warning")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
	}
	return string(out)
}

func TestUnitIsValid(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "systemd-analyze")
	for line := range strings.Lines(analyze(t, "verify", "--man=no", placed(t))) {
		if strings.Contains(line, unit) { // Others are those of this machine.
			t.Error(line)
		}
	}
}

func TestUnitIsHardened(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "systemd-analyze")
	analyze(t, "security", "--no-pager", "--offline=true", "--threshold="+exposed, placed(t))
}

func TestUnitNamesWhatTheReadmeInstalls(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/usr/local/bin/inboxgate", "/etc/inboxgate/environment", "/etc/inboxgate/webhook-secret"} {
		if !strings.Contains(string(readme), path) || !strings.Contains(string(text), path) {
			t.Errorf("%s is not in both README.md and %s", path, unit)
		}
	}
}
