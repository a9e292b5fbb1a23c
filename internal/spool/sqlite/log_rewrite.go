package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// logFile is what rewriteLog needs of the log.
type logFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// forgetDatabasePages makes the page cache forget the database, unless the process
// before ended well and nothing has failed in this one: then the cache holds what the
// disk has, and forgetting it would only have a large store read from the disk again.
// Nothing is lost by it. All that the disk may lack is in the log, and is copied again.
func (s *Store) forgetDatabasePages() error {
	if s.o.vfs == "" && (s.count.failures.Load() > 0 || !s.lock.endedWell) {
		return forgetCachedPages(s.path)
	}
	return nil
}

// rewriteLog writes the log over itself and syncs it, while no process may write to it
// or copy it: renewLog holds the locks.
//
// After a failed fsync the page cache holds frames that the disk does not, and no later
// fsync says so: the kernel counts them as clean. Writing the same bytes makes them
// dirty again, so that the next fsync really writes them. Without it a checkpoint would
// copy their pages into the database before the log below them is durable, and a power
// cut at that moment would leave new pages under an older log, which is a damaged file.
//
// On the way it follows the frames by their checksums, to log what SQLite is about to
// drop silently.
func (s *Store) rewriteLog() error {
	f, sync, err := s.openLog()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening log: %w", err)
	}
	var scan logScan
	buf := make([]byte, 1<<20)
	for off := int64(0); ; {
		n, err := f.ReadAt(buf, off)
		if n > 0 {
			if _, err := f.WriteAt(buf[:n], off); err != nil {
				return errors.Join(fmt.Errorf("rewriting log: %w", err), f.Close())
			}
			scan.add(buf[:n])
			off += int64(n)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(fmt.Errorf("reading log: %w", err), f.Close())
		}
	}
	if err := sync(); err != nil {
		return errors.Join(fmt.Errorf("syncing log: %w", err), f.Close())
	}
	if n := scan.dropped(); n > 0 {
		// Bytes that do not check say no more than that. Whether an acknowledged
		// event was among them, checkMark finds out.
		s.log.Warn("the end of the log was not written whole, or is damaged; it is dropped",
			"path", s.path+"-wal", "kept", scan.kept, "dropped", n)
	}
	return f.Close()
}

// openLog opens the log, and returns how to fsync it. It fails with fs.ErrNotExist
// where there is none.
func (s *Store) openLog() (logFile, func() error, error) {
	path := s.path + "-wal"
	if s.o.vfs == "" {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return nil, nil, err
		}
		return f, f.Sync, nil
	}
	f, _, err := vfs.Find(s.o.vfs).Open(path, vfs.OPEN_WAL|vfs.OPEN_READWRITE)
	if errors.Is(err, sqlite3.CANTOPEN) {
		return nil, nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, nil, err
	}
	return f, func() error { return f.Sync(vfs.SYNC_FULL) }, nil
}
