package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	indexEnd  = 16 // where the index says how many frames the log has
	logSalt   = 16 // where the head of the log has its salt
	frameSalt = 8  // where a frame has it
	saltSize  = 8
)

// voidLogEnd gives another salt to the frames of this log behind its end, where
// another process keeps the log. A commit may stand there that a process wrote whole
// before it was killed, and of which another process or a power cut has taken the
// beginning: SQLite reads it no more. But whoever copies the log as a file may have
// copied it, as Litestream does, and would go on behind it while its last frame looks
// the same: what comes to stand before that would be missing from the copy.
func (w *writer) voidLogEnd() (err error) {
	if w.pageSize != pageSize {
		return nil
	}
	if err := w.lockLog(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.c.Exec("ROLLBACK")) }()
	off, err := endOfLog(w.s.index())
	if err != nil {
		return fmt.Errorf("reading index of log: %w", err)
	}
	f, _, err := w.s.openLog()
	if err != nil {
		return fmt.Errorf("opening log: %w", err)
	}
	defer f.Close()
	var ours, salt [saltSize]byte
	_, err = f.ReadAt(ours[:], logSalt)
	for ; err == nil; off += frameSize {
		if _, err = f.ReadAt(salt[:], off+frameSalt); err != nil {
			break
		}
		if salt != ours { // The rest is older than this log.
			return nil
		}
		for i := range salt {
			salt[i] = ^salt[i]
		}
		_, err = f.WriteAt(salt[:], off+frameSalt)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("giving the end of the log another salt: %w", err)
}

// endOfLog is where the next frame will be written. The caller holds the lock of
// the writer.
func endOfLog(index string) (int64, error) {
	f, err := os.Open(index)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var b [4]byte
	if _, err := f.ReadAt(b[:], indexEnd); err != nil {
		return 0, err
	}
	return logHead + int64(binary.NativeEndian.Uint32(b[:]))*frameSize, nil
}
