package sqlite

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// whole is each file of a directory.
func whole(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// killed is a directory as a kill leaves it, with events in its log, and a copy
// that was made before them.
func killed(t *testing.T, copier func(s *Store, path string)) (dir, copied string) {
	t.Helper()
	s := mustOpen(t, t.TempDir(), Options{})
	for n := range int64(50) {
		accept(t, s, benchEvent(n), "a", false)
	}
	copied = filepath.Join(t.TempDir(), "copy.db")
	copier(s, copied)
	for n := range int64(50) {
		accept(t, s, benchEvent(100+n), "a", false)
	}
	return copyOf(t, s.dir, "spool.db", "spool.db-wal", "spool.db-shm", "acknowledged", "lock"), copied
}

// A copy that is put over a store meets a log that is not its own. It is refused,
// with the right steps, and not a byte of the directory has changed.
func TestCopyRestoredOverAStore(t *testing.T) {
	t.Parallel()
	ofAnother := func(t *testing.T) string {
		s := mustOpen(t, t.TempDir(), Options{})
		accept(t, s, benchEvent(1), "a", false)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return s.path
	}
	ofBefore := func(t *testing.T) string { // as versions made it that gave no id
		path := ofAnother(t)
		c, err := sqlite3.Open("file:" + path)
		if err == nil {
			err = errors.Join(c.Exec("DELETE FROM meta WHERE name='id'; PRAGMA wal_checkpoint(TRUNCATE)"), c.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, make := range map[string]func(t *testing.T, copied string) string{
		"a backup of it":               func(_ *testing.T, copied string) string { return copied },
		"another store":                func(t *testing.T, _ string) string { return ofAnother(t) },
		"a store of a version without": func(t *testing.T, _ string) string { return ofBefore(t) },
	} {
		for what, remove := range map[string][]string{"with its log": nil, "without its log": {"spool.db-wal", "spool.db-shm"}} {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				dir, copied := killed(t, func(s *Store, path string) { backupTo(t, s, path) })
				db, err := os.ReadFile(make(t, copied))
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, "spool.db"), db, 0o600)
				}
				for _, name := range remove {
					err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
				}
				if err != nil {
					t.Fatal(err)
				}
				before := whole(t, dir)
				_, err = Open(dir, Options{})
				if !errors.Is(err, errAnother) || !strings.Contains(err.Error(), "into an empty directory") {
					t.Errorf("opening: %v", err)
				}
				if after := whole(t, dir); !maps.EqualFunc(before, after, bytes.Equal) {
					t.Errorf("the directory has changed: %v, then %v", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
				}
			})
		}
	}
}

// The right way works, and so does what is no restoring: a store goes on after a
// kill, after a move, and when a version before has had it.
func TestOwnFilesAreOwn(t *testing.T) {
	t.Parallel()
	dir, copied := killed(t, func(s *Store, path string) { backupTo(t, s, path) })
	empty := t.TempDir()
	db, err := os.ReadFile(copied)
	if err == nil {
		err = os.WriteFile(filepath.Join(empty, "spool.db"), db, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	knows := func(dir string, n int64) {
		t.Helper()
		s := mustOpen(t, dir, Options{})
		if rc, err := s.Accept(bg, spool.Intake{Event: benchEvent(n)}); err != nil || rc.Verdict != spool.Duplicate {
			t.Errorf("event %d is %v, %v", n, rc.Verdict, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	knows(empty, 1)
	knows(empty, 1)
	moved := copyOf(t, dir, "spool.db", "spool.db-wal", "acknowledged")
	knows(moved, 120)
	knows(moved, 120)
	knows(copyOf(t, dir, "spool.db", "spool.db-wal"), 120) // without the mark
	short := copyOf(t, dir, "spool.db", "spool.db-wal", "acknowledged")
	if err := os.Truncate(filepath.Join(short, "acknowledged"), markSize); err != nil { // of a version before
		t.Fatal(err)
	}
	knows(short, 120)
	if a, b := identityIn(t, empty), identityIn(t, moved); a == b || a == 0 || b == 0 {
		t.Errorf("the copy has the identity %d, the store %d", a, b)
	}
}

func identityIn(t *testing.T, dir string) int64 {
	t.Helper()
	i, err := identityOf(filepath.Join(dir, "spool.db"))
	if err != nil {
		t.Fatal(err)
	}
	return i.id
}

// A store is known by its name after it was opened again, and another has another.
func TestIdentity(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	named := func(dir string) string {
		s := mustOpen(t, dir, Options{})
		defer s.Close()
		return s.Identity()
	}
	first := named(dir)
	if first == "0" || named(dir) != first {
		t.Errorf("the store was %s, and is another now", first)
	}
	if other := named(t.TempDir()); other == first {
		t.Errorf("two stores are %s", first)
	}
}
