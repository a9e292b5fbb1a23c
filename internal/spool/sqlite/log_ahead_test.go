package sqlite

import (
	"os"
	"runtime"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// A process that is killed between writing a commit and publishing it in the index
// leaves a log that is ahead of its index, and a reader that stays keeps that index.
// Whoever copies the log as a file has the commit, so it must not be written over.
func TestLogAheadOfItsIndex(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the index is not set on this system")
	}
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	accept(t, s, benchEvent(0), "a", false)
	reader, err := sqlite3.OpenFlags(fileURI(s.path, nil), sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := reader.Exec("BEGIN; SELECT count(*) FROM events"); err != nil {
		t.Fatal(err)
	}
	index, err := os.OpenFile(s.path+"-shm", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	header := make([]byte, 96)
	if _, err := index.ReadAt(header, 0); err != nil {
		t.Fatal(err)
	}
	accept(t, s, benchEvent(1), "a", false)
	s.Close()
	if _, err := index.WriteAt(header, 0); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(s.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}

	s = mustOpen(t, dir, Options{})
	accept(t, s, benchEvent(2), "a", false)
	for i := range int64(3) {
		if rc, err := s.Accept(bg, spool.Intake{Event: benchEvent(i)}); err != nil || rc.Verdict != spool.Duplicate {
			t.Errorf("event %d: %v, %v", i, rc.Verdict, err)
		}
	}
	after, err := os.ReadFile(s.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if len(after) < len(log) || string(after[:len(log)]) != string(log) {
		t.Error("what stood in the log was written over while a reader kept it")
	}
	check(t, s)
}
