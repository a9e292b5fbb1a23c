package sqlite

import (
	"crypto/sha256"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// everything is each file of a directory with its bytes, the index of a log too.
func everything(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := contents(t, dir)
	if raw, err := os.ReadFile(filepath.Join(dir, "spool.db-shm")); err == nil {
		all["spool.db-shm"] = string(raw)
	}
	return all
}

// A store is read as its process left it, also one that was killed, whose events
// are in the log alone; nothing is written beside it, not even a file's index.
func TestOfflineReadsAndWritesNothing(t *testing.T) {
	t.Parallel()
	const n = 30
	dir, s := filled(t, n)
	killed := t.TempDir()
	for _, name := range []string{"spool.db", "spool.db-wal", "lock"} {
		copyFile(t, filepath.Join(dir, name), filepath.Join(killed, name))
	}
	if len(contents(t, killed)["spool.db-wal"]) == 0 {
		t.Fatal("there is nothing in the log: this case proves nothing")
	}
	if _, err := OpenOffline(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("of a store in use: %v", err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	backupTo(t, s, copied)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"killed": killed, "stopped": dir, "a copy": copied} {
		home := path
		if path == copied {
			home = filepath.Dir(path)
		} else if err := os.Chmod(home, 0o500); err != nil {
			t.Fatal(err)
		}
		before := everything(t, home)
		still, err := OpenOffline(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for kind, want := range map[spool.Kind]int{spool.Events: n, spool.Quarantined: 1} {
			page, err := still.Records(t.Context(), spool.Query{Kind: kind})
			if err != nil || len(page.Records) != want {
				t.Errorf("%s: %d records, %v, want %d", name, len(page.Records), err, want)
			}
			for _, rec := range page.Records {
				if rec.Event.Digest != sha256.Sum256(rec.Event.Request.Body) || rec.Event.Source != "inbox" {
					t.Errorf("%s: event %d has not its body or its source", name, rec.Event.Seq)
				}
			}
		}
		if c, err := still.Count(t.Context(), spool.Query{State: spool.Available}, 0); err != nil || c.N != n || c.Partial {
			t.Errorf("%s: counted %+v, %v, want %d", name, c, err, n)
		}
		waiting, err := still.Records(t.Context(), spool.Query{State: spool.Available})
		if err != nil || len(waiting.Records) != n || waiting.Records[0].Deliveries[0].Due.IsZero() {
			t.Errorf("%s: %d wait, %v", name, len(waiting.Records), err)
		}
		routes, err := still.Routes(t.Context())
		if err != nil || len(routes) != 1 || routes[0].Waiting != n {
			t.Errorf("%s: routes %+v, %v", name, routes, err)
		}
		still.Close()
		if after := everything(t, home); !maps.Equal(before, after) {
			t.Errorf("%s: reading changed it: %v, were %v", name, slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
		}
		_ = os.Chmod(home, 0o700)
	}
	// It is given back.
	openTest(t, killed, Options{})
}

// What is no store is refused, and nothing is made where there is none.
func TestOfflineWithoutAStore(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	other := filepath.Join(t.TempDir(), "spool.db")
	if err := os.WriteFile(other, []byte("this is no database, however long it goes on"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{empty, filepath.Join(empty, "missing"), other} {
		if s, err := OpenOffline(path); err == nil {
			s.Close()
			t.Errorf("%s was read", path)
		}
	}
	if left := contents(t, empty); len(left) > 0 {
		t.Errorf("made: %v", left)
	}
}
