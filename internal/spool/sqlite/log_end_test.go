package sqlite

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Another process writes by an index that does not know the last commit of one that
// was killed: over the beginning of that commit. What is left of it must not be found
// by who copied it, and asks for its last frame before going on behind it.
func TestLogEndIsVoid(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("a start beside a reader waits for it on this system")
	}
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	accept(t, s, benchEvent(0), "a", false)
	writer := besideStore(t, s)
	if err := writer.Exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
	reader := besideStore(t, s)
	index, err := os.OpenFile(s.path+"-shm", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	header := make([]byte, 96)
	if _, err := index.ReadAt(header, 0); err != nil {
		t.Fatal(err)
	}
	mark, err := os.ReadFile(filepath.Join(dir, "acknowledged"))
	if err != nil {
		t.Fatal(err)
	}
	long := benchEvent(1)
	long.Request.Body = bytes.Repeat([]byte("a"), 40*pageSize)
	accept(t, s, long, "a", false)
	s.Close()
	if _, err := index.WriteAt(header, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "acknowledged"), mark, 0o600); err != nil {
		t.Fatal(err) // It was killed before it answered.
	}
	before := scanFile(t, s.path+"-wal")
	if err := writer.Exec("INSERT INTO other VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	if left := scanFile(t, s.path+"-wal"); left.kept >= before.kept || !left.torn {
		t.Fatalf("the log ends at %d after %d: this case proves nothing", left.kept, before.kept)
	}

	s = mustOpen(t, dir, Options{})
	if left := scanFile(t, s.path+"-wal"); left.kept >= before.kept || left.torn {
		t.Errorf("the log ends at %d, and frames of the killed process stand behind it: %t", left.kept, left.torn)
	}
	if rc, err := s.Accept(bg, spool.Intake{Event: benchEvent(0)}); err != nil || rc.Verdict != spool.Duplicate {
		t.Errorf("an event from before: %v, %v", rc.Verdict, err)
	}
	accept(t, s, benchEvent(1), "a", false)
	if err := reader.Exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
	check(t, s)
}

// scanFile follows the frames of a log in a file.
func scanFile(t *testing.T, path string) *logScan {
	t.Helper()
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var scan logScan
	scan.add(log)
	return &scan
}
