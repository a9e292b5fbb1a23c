package demo_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The path of a socket may not be as long as that of a directory: then the socket
// is in a directory of its own, which goes as well.
func TestDemoInADirectoryWithALongName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("a-long-name/", 10))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	r := runCommand(t.Context(), "", "demo", "--once", "--keep")
	if r.failed != nil || !strings.Contains(r.out, "All well.") {
		t.Fatalf("%v: %s%s", r.failed, r.out, r.err)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "*", "Caddyfile"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("got %q, %v, want one Caddyfile", kept, err)
	}
	text, err := os.ReadFile(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	at := regexp.MustCompile(`admin "unix/(/.+)/admin.sock\|0600"`).FindSubmatch(text)
	if at == nil || strings.HasPrefix(string(at[1]), dir) {
		t.Fatalf("the socket is not elsewhere: %q", at)
	}
	if _, err := os.Stat(string(at[1])); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left behind: %v", at[1], err)
	}
}
