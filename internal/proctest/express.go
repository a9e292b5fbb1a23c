package proctest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// InstallExpress returns a new directory with a copy of the Express app that stands in
// source, and its packages. It needs node and npm.
func InstallExpress(t testing.TB, source string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"server.js", "package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("installing express: %v\n%s", err, out)
	}
	return dir
}

// StartExpress starts the app in dir at an address, without waiting for anything.
func StartExpress(t testing.TB, dir, address, secret string) *Process {
	t.Helper()
	_, port, _ := strings.Cut(address, ":")
	cmd := exec.CommandContext(t.Context(), "node", "server.js")
	cmd.Dir = dir
	cmd.Env = Env(dir, "PORT="+port, "INBOX_WEBHOOK_SECRET="+secret)
	return Start(t, cmd)
}

// RunExpress is StartExpress, and waits until the app listens.
func RunExpress(t testing.TB, dir, address, secret string) *Process {
	t.Helper()
	p := StartExpress(t, dir, address, secret)
	p.Await(t, "listening on", 1)
	return p
}
