package sqlite

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// TestTornHeadIsLogged: a frame that was cut within its head, with zeros from there
// on, was taken for the rest of an older log, and dropped without a word.
func TestTornHeadIsLogged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	end := 0
	var log []byte
	for i := range int64(3) {
		accept(t, s, benchEvent(i), "a", false)
		end = len(log)
		var err error
		if log, err = os.ReadFile(filepath.Join(dir, "spool.db-wal")); err != nil {
			t.Fatal(err)
		}
	}
	for cut := end + 1; cut <= end+frameHead; cut++ {
		torn := append(bytes.Clone(log[:cut]), make([]byte, len(log)-cut)...)
		var scan logScan
		scan.add(torn)
		if scan.kept != int64(end) || scan.dropped() != int64(len(log)-end) {
			t.Errorf("cut %d bytes into a head: %d kept and %d told to be dropped, of %d and %d",
				cut-end, scan.kept, scan.dropped(), end, len(log)-end)
		}
	}
	// The same log, begun anew: what is left of it is no damage.
	anew := bytes.Clone(log)
	anew[16+3]++ // of the salt
	sum := logScan{order: binary.LittleEndian}
	sum.sum(anew[:24])
	binary.BigEndian.PutUint32(anew[24:], sum.s1)
	binary.BigEndian.PutUint32(anew[28:], sum.s2)
	var scan logScan
	scan.add(anew)
	if scan.kept != logHead || scan.dropped() != 0 {
		t.Errorf("an older log's frames: %d kept and %d told to be dropped", scan.kept, scan.dropped())
	}
}
