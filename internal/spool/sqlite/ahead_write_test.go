package sqlite

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"testing"

	"github.com/ncruces/go-sqlite3"
)

// A process that has read the index before a start has it made anew, and gets the
// lock of the writer after, must not write by what it has read: over a commit that
// only the log knows.
func TestNoWriterGoesByTheFormerIndex(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the index is not set on this system")
	}
	s := mustOpen(t, t.TempDir(), Options{})
	accept(t, s, benchEvent(0), "a", false)
	other := besideStore(t, s)
	header := make([]byte, 96)
	index, err := os.OpenFile(s.path+"-shm", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
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

	x, err := lockIndex(bg, s.path+"-shm", busyFor)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.invalidate(); err != nil {
		t.Fatal(err)
	}
	x.release()
	if err := other.Exec("INSERT INTO other VALUES (1)"); !errors.Is(err, sqlite3.BUSY) {
		t.Errorf("the other process writes: %v", err)
	}
	after, err := os.ReadFile(s.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(after, log) {
		t.Error("what stood in the log was written over")
	}
}

// besideStore opens a connection of another process, which has a table of its own
// and has begun to read.
func besideStore(t *testing.T, s *Store) *sqlite3.Conn {
	t.Helper()
	c, err := sqlite3.OpenFlags(fileURI(s.path, nil), sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	// Another process waits its turn: the store's own writer may be in a transaction.
	if err := c.BusyTimeout(busyFor); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec("PRAGMA wal_autocheckpoint=0; CREATE TABLE IF NOT EXISTS other (n INTEGER); BEGIN; SELECT count(*) FROM events"); err != nil {
		t.Fatal(err)
	}
	return c
}
