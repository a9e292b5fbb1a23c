package sqlite

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Litestream opens the database as soon as it is there, and makes tables in it: it
// must be ours by then.
func TestDatabaseAppearsWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "spool.db")
	seen := make(chan []byte)
	go func() {
		for t.Context().Err() == nil {
			if raw, err := os.ReadFile(path); !errors.Is(err, fs.ErrNotExist) {
				seen <- raw
				return
			}
		}
		close(seen)
	}()
	mustOpen(t, dir, Options{})
	raw := <-seen
	if len(raw) < 100 {
		t.Fatalf("it appears with %d bytes", len(raw))
	}
	if app := binary.BigEndian.Uint32(raw[68:]); app != applicationID {
		t.Errorf("it appears as the database of %#x", app)
	}
	if raw[18] != 2 || raw[19] != 2 {
		t.Error("it appears without a log")
	}
	if pages := binary.BigEndian.Uint32(raw[28:]); len(raw) < int(pages)*pageSize {
		t.Errorf("it appears with %d bytes of %d pages", len(raw), pages)
	}
}

// A process may die at any step of making the database: the next one begins again.
func TestCreationCutShort(t *testing.T) {
	t.Parallel()
	whole := t.TempDir()
	mustOpen(t, whole, Options{}).Close()
	raw, err := os.ReadFile(filepath.Join(whole, "spool.db"))
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]map[string]string{
		"an empty file":        {"": ""},
		"a torn file":          {"": string(raw[:len(raw)/2])},
		"a journal":            {"": string(raw), "-journal": "not whole"},
		"a log":                {"": string(raw[:pageSize]), "-wal": "not whole", "-shm": ""},
		"a name that it lacks": {"": string(raw)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for suffix, content := range files {
				if err := os.WriteFile(filepath.Join(dir, ".spool.db-new"+suffix), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := mustOpen(t, dir, Options{})
			accept(t, s, benchEvent(0), "a", false)
			check(t, s)
			left, err := filepath.Glob(filepath.Join(dir, ".spool.db-new*"))
			if err != nil || len(left) > 0 {
				t.Errorf("%v stay, %v", left, err)
			}
		})
	}
}
