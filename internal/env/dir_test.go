package env

import (
	"os"
	"path/filepath"
	"testing"
)

// A directory has one name, by whatever link one comes to it.
func TestCanonicalDir(t *testing.T) {
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		"real": "real", "link": "real", "link/": "real", "link/not/yet": "real/not/yet", "none/../link": "real", "none/deep": "none/deep",
	} {
		got, err := CanonicalDir(root + "/" + given)
		if err != nil || got != filepath.Join(root, want) {
			t.Errorf("%s: got %s, %v, want %s", given, got, err, filepath.Join(root, want))
		}
	}
}

func TestDataDirOr(t *testing.T) {
	t.Setenv(DataDir, "")
	if got := DataDirOr("/default"); got != "/default" {
		t.Errorf("without the variable: got %s", got)
	}
	t.Setenv(DataDir, "/data")
	if got := DataDirOr("/default"); got != "/data" {
		t.Errorf("got %s, want /data", got)
	}
}
