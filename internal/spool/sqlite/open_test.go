package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func mustOpen(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "store")
	s := mustOpen(t, dir, Options{})
	accept(t, s, benchEvent(1), "a", false)
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v %v", fi.Mode(), err)
	}
	for _, f := range []string{"spool.db", "spool.db-wal", "spool.db-shm", "lock"} {
		if fi, err := os.Stat(filepath.Join(dir, f)); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, fi, err)
		}
	}
}

func TestSecondProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	_, err := Open(dir, Options{})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("second open: %v", err)
	}
	s.Close()
	mustOpen(t, dir, Options{})
}

func TestForeignFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, sql, want string }{
		{"another program's", "CREATE TABLE t(x)", "another program"},
		{"a newer version's", fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d; CREATE TABLE t(x)", applicationID, schemaVersion+1), "newer"},
	} {
		dir := t.TempDir()
		db, err := sqlite3.Open(filepath.Join(dir, "spool.db"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Exec(c.sql), db.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s file: %v", c.name, err)
		}
	}
}

// TestDamage cuts and flips the files. A damaged store refuses to open with
// words that help, or opens with everything that SQLite can vouch for; it never
// panics and never forgets what its log has whole.
func TestDamage(t *testing.T) {
	t.Parallel()
	whole := t.TempDir()
	s := mustOpen(t, whole, Options{})
	for n := range int64(50) {
		accept(t, s, benchEvent(n), "a", false)
	}
	s.Close()
	db, err := os.ReadFile(filepath.Join(whole, "spool.db"))
	if err != nil {
		t.Fatal(err)
	}
	try := func(name string, bytes []byte, mustFail bool) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "spool.db"), bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Options{})
		if err != nil {
			if strings.Contains(err.Error(), "panic") {
				t.Errorf("%s: %v", name, err)
			}
			return
		}
		if mustFail {
			t.Errorf("%s: opened without a word", name)
		}
		s.Close()
	}
	try("header overwritten", append([]byte("not a database at all"), db[21:]...), true)
	try("cut to a page", db[:4096], true)
	try("cut in half", db[:len(db)/2], true)
	for page := 0; page < len(db)/4096; page++ {
		b := append([]byte(nil), db...)
		for i := range 64 {
			b[page*4096+i*7+100] ^= 0x5a
		}
		try(fmt.Sprintf("page %d flipped", page+1), b, false)
	}
}

// TestTornLog cuts the log at every place, and fills its end with zeros: what
// the log has whole is kept, and the rest goes without a word, since it was
// never acknowledged.
func TestTornLog(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.boot = e.m.start(e.shm)
	s, err := Open(e.dir, Options{vfs: e.boot.name, index: e.boot.shm})
	if err != nil {
		t.Fatal(err)
	}
	e.st = s
	wal := e.m.files[s.path+"-wal"]
	var ends []int // of the log, after each accept
	for n := range int64(6) {
		accept(t, s, benchEvent(n), "a", false)
		e.m.mu.Lock()
		ends = append(ends, len(wal.cur))
		e.m.mu.Unlock()
	}
	e.Kill(t)
	db := append([]byte(nil), e.m.files[s.path].cur...)
	log := append([]byte(nil), wal.cur...)
	for cut := ends[0]; cut <= len(log); cut += 1031 {
		for _, zeros := range []bool{false, true} {
			torn := append([]byte(nil), log[:cut]...)
			if zeros {
				torn = append(torn, make([]byte, len(log)-cut)...)
			}
			e.m.files = map[string]*mediumFile{
				s.path:          {cur: append([]byte(nil), db...), stable: append([]byte(nil), db...), dirty: map[int64]bool{}},
				s.path + "-wal": {cur: torn, stable: append([]byte(nil), torn...), dirty: map[int64]bool{}},
			}
			e.boot = e.m.start(e.shm)
			again, err := Open(e.dir, Options{vfs: e.boot.name, index: e.boot.shm})
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			e.st = again
			check(t, again)
			for n, end := range ends {
				if rc, err := again.Accept(bg, spool.Intake{Event: benchEvent(int64(n))}); end <= cut && (err != nil || rc.Verdict != spool.Duplicate) {
					t.Errorf("cut at %d: event %d is %v, %v", cut, n, rc.Verdict, err)
				}
			}
			e.Kill(t)
		}
	}
}
