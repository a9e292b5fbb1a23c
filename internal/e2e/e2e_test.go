// Package e2e tries the real program beside programs that are not ours: proxies in
// front of it, apps and proxies behind it, tools beside its store.
//
// Guarantee: each test starts inboxgate as a user would, and what it starts has
// ended when the test ends.
//
// Limits: a test skips, with the name of what is missing, where a program is not
// installed. With CI set that is a failure.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// binary is the inboxgate that TestMain has built.
var binary string

const secret = "the-whole-has-a-key-of-its-own-7d1e"

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "inboxgate-e2e-")
	if err == nil {
		binary, err = proctest.Build(dir)
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// need skips the test unless each program is installed and, with root, the test
// runs as root. With CI set it fails instead.
func need(t testing.TB, root bool, programs ...string) {
	t.Helper()
	var missing []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	if root && os.Geteuid() != 0 {
		missing = append(missing, "root")
	}
	if len(missing) == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("missing, although CI installs it: %s", strings.Join(missing, ", "))
	}
	t.Skipf("missing: %s", strings.Join(missing, ", "))
}

// gate is the command that runs inboxgate in dir, which is new, on its
// environment alone.
func gate(dir string, pairs ...string) *exec.Cmd {
	cmd := exec.Command(binary)
	cmd.Dir = dir
	cmd.Env = proctest.Env(dir, append([]string{"INBOX_WEBHOOK_SECRET=" + secret}, pairs...)...)
	return cmd
}
