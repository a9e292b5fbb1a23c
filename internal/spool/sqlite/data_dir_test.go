package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// A store works in a directory of any name, and so do its backup and its check.
func TestDirectoriesOfAnyName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"with space", "a+b", "100%", "%20", "%00", "#1", "what?", "a&b", "a=b", "ü ö", "it's", `"quoted"`, "a;b", "a:b", "a,b", "back\\slash", "new\nline", "tab\t", "{brace}", "$HOME", "*", "~", "-rf", "日本", "\xff", "file:x?mode=memory",
	} {
		dir := filepath.Join(t.TempDir(), name)
		s := openTest(t, dir, Options{})
		if err := s.Configure(t.Context(), "", "inbox", []spool.RouteName{{Name: "app"}}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		copied := filepath.Join(dir, "a copy+"+name)
		backupTo(t, s, copied)
		if err := s.Close(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		for _, path := range []string{dir, copied} {
			if r, err := Check(t.Context(), path, nil); err != nil || r.Damaged != 0 {
				t.Errorf("%q: check of %q: %+v, %v", name, path, r, err)
			}
		}
		if info, err := os.Stat(filepath.Join(dir, "spool.db")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%q: the file is %v, %v", name, info, err)
		}
		if all, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(all) != 1 {
			t.Errorf("%q: beside the directory there is %v, %v", name, all, err)
		}
	}
}

// What is there already keeps its mode, and what belongs to somebody else is no
// place for a store.
func TestDirectoriesOfOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	file := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("theirs"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		mode    os.FileMode
		prepare func(t *testing.T, dir string)
		want    string
	}{
		"empty":                       {mode: 0o755},
		"of a group":                  {mode: 0o770 | os.ModeSetgid},
		"a volume's root":             {mode: 0o755, prepare: file("lost+found")},
		"with hidden files of a tool": {mode: 0o755, prepare: file(".snapshot")},
		"with files of others":        {mode: 0o755, prepare: file("other-users-file"), want: "holds files of somebody else (other-users-file) and no store: use a subdirectory of it, such as "},
		"open to everybody":           {mode: 0o777, want: "everybody may write to the data directory "},
		"open, and sticky":            {mode: 0o777 | os.ModeSticky, want: "everybody may write to the data directory "},
	} {
		dir := filepath.Join(t.TempDir(), "d")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if c.prepare != nil {
			c.prepare(t, dir)
		}
		if err := os.Chmod(dir, c.mode); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Options{})
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if s != nil {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			// Files that come later are no reason to refuse a store that works.
			file("later")(t, dir)
			again := openTest(t, dir, Options{})
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		}
		if info, err := os.Stat(dir); err != nil || info.Mode()&^os.ModeDir != c.mode {
			t.Errorf("%s: its mode was %v and is %v, %v", name, c.mode, info.Mode(), err)
		}
	}
	for _, dir := range []string{"/", "/etc", "/tmp", "/var/lib"} {
		before, err := os.Stat(dir)
		if err != nil {
			continue
		}
		if s, err := Open(dir, Options{}); err == nil {
			_ = s.Close()
			t.Errorf("%s was taken", dir)
		}
		if after, err := os.Stat(dir); err != nil || after.Mode() != before.Mode() {
			t.Errorf("%s had mode %v and has %v, %v", dir, before.Mode(), after.Mode(), err)
		}
	}
}

// A link under a name of ours leads nowhere: what it names is not touched.
func TestPlantedLinksAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lock", "spool.db", "spool.db-wal", "spool.db-shm", "spool.db-journal", "acknowledged", "admin.sock"} {
		for _, before := range []bool{true, false} { // Before there is a store, and after.
			dir := filepath.Join(t.TempDir(), "d")
			if before {
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			} else if err := openTest(t, dir, Options{}).Close(); err != nil {
				t.Fatal(err)
			}
			victim := filepath.Join(t.TempDir(), "victim")
			if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(filepath.Join(dir, name))
			if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir, Options{})
			if err == nil {
				_ = s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, name)+" is a symbolic link") {
				t.Errorf("%s: %v", name, err)
			}
			info, err := os.Stat(victim)
			if err != nil || info.Mode().Perm() != 0o644 || info.Size() != int64(len("precious")) {
				t.Errorf("%s: the victim is %v, %v", name, info, err)
			}
		}
	}
	// The directory itself may be a link, as where a volume is mounted elsewhere.
	real := filepath.Join(t.TempDir(), "real")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Mkdir(real, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := openTest(t, link, Options{}).Close(); err != nil {
		t.Error(err)
	}
}
