package sqlite

import (
	"bytes"
	"os"
	"testing"
)

// A log that begins anew while Litestream is away leaves nothing of the log before
// behind it, in which Litestream would find the frame that it has copied last.
func TestLogIsCutForLitestream(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, t.TempDir(), Options{})
	other := besideStore(t, s)
	if err := other.Exec("COMMIT; CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)"); err != nil {
		t.Fatal(err)
	}
	other.Close()
	salts := func() string {
		head := make([]byte, logHead)
		f, err := os.Open(s.path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.ReadAt(head, 0); err != nil {
			t.Fatal(err)
		}
		return string(head[logSalt : logSalt+saltSize])
	}
	first := salts()
	for n := range int64(400) {
		large := benchEvent(n)
		large.Request.Body = bytes.Repeat([]byte("a"), 64*pageSize)
		accept(t, s, large, "a", false)
		if salts() == first {
			continue
		}
		size, err := sizeOf(s.path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		if log := scanFile(t, s.path+"-wal"); size != log.kept {
			t.Errorf("the new log has %d bytes, and its file %d", log.kept, size)
		}
		return
	}
	t.Fatal("the log does not begin anew")
}
