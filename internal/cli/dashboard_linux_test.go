package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The browser gets the link in a file that only this user may read, and that is gone when
// the command ends: the list of processes shows arguments.
func TestDashboardOpensTheBrowser(t *testing.T) {
	d := newDesk(t)
	bin, got := t.TempDir(), filepath.Join(t.TempDir(), "got")
	script := "#!/bin/sh\n{ echo \"$@\"; stat -c %a \"$1\"; cat \"$1\"; } >" + got + ".part; mv " + got + ".part " + got + "\n"
	if err := os.WriteFile(filepath.Join(bin, "xdg-open"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("TMPDIR", t.TempDir())
	r := d.runDashboard("--open")
	var text string
	for end := time.Now().Add(patience); text == "" && time.Now().Before(end); {
		raw, _ := os.ReadFile(got)
		text = string(raw)
	}
	lines := strings.SplitN(text, "\n", 3)
	if len(lines) != 3 || strings.Contains(lines[0], "token") || lines[1] != "600" || !strings.Contains(lines[2], "url="+r.link) {
		t.Errorf("the browser got:\n%s", text)
	}
	r.stop(t)
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
