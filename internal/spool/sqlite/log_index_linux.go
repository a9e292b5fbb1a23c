package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The index of the log is a file that all processes share which have the store
// open: SQLite's form of it (https://sqlite.org/walformat.html, "The WAL-Index
// File Format") is part of the form of a database in WAL mode.
const (
	// indexChange is where the first of its two headers has the number of the last
	// change.
	indexChange = 8
	// indexLocks is where the bytes lie that are locked: one each for the writer, for
	// a checkpoint and for recovery, and five for readers; indexCount of them.
	indexLocks = 120
	indexCount = 8
	// indexCopier is the one for a checkpoint.
	indexCopier = indexLocks + 1
)

// logIndex is the index while no other process may copy the log.
type logIndex struct{ f *os.File }

// lockIndex keeps other processes from copying the log, and waits for one that does. It
// returns nil where there is no index, so that nothing can be hidden by it. The lock
// belongs to this open file alone, and keeps out connections of this process too.
func lockIndex(ctx context.Context, path string, within time.Duration) (*logIndex, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening index of log: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: indexCopier, Len: 1})
		if err == nil {
			return &logIndex{f}, nil
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking index of log: %w", err), f.Close())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%s copies the log and does not end", holder(f, indexCopier, 1)), f.Close())
		}
	}
}

// invalidate has SQLite make the index from the log, which then counts as not copied at
// all: the two headers differ, as they do after a process that died while it wrote
// them. Any connection that reads next sees that, takes the locks and recovers. The
// caller holds the writer's lock too, so that the log does not begin again meanwhile.
func (x *logIndex) invalidate() error {
	if fi, err := x.f.Stat(); err != nil || fi.Size() < indexLocks {
		return err
	}
	// In the first header, with which a writer compares what it has read: one that
	// read the index before this, and waits for the lock, must not go by that.
	var change [4]byte
	if _, err := x.f.ReadAt(change[:], indexChange); err != nil {
		return fmt.Errorf("reading index of log: %w", err)
	}
	change[0] = ^change[0]
	if _, err := x.f.WriteAt(change[:], indexChange); err != nil {
		return fmt.Errorf("writing index of log: %w", err)
	}
	return nil
}

// release lets other processes copy the log again. To close the file alone is not enough,
// as in unlock.
func (x *logIndex) release() {
	_ = unix.FcntlFlock(x.f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK, Start: indexCopier, Len: 1})
	_ = x.f.Close()
}

// whoReads names a process that reads or writes the store besides this one, as far as
// the system says. An operator is to know which one to end.
func whoReads(index string) string {
	f, err := os.Open(index)
	if err != nil {
		return "another process"
	}
	defer f.Close()
	return holder(f, indexLocks, indexCount)
}

// holder names a process that holds a lock on a part of f.
func holder(f *os.File, start, length int64) string {
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: start, Len: length}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &l); err != nil || l.Type == unix.F_UNLCK || l.Pid <= 0 {
		return "another process"
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", l.Pid))
	if err != nil {
		return fmt.Sprintf("process %d", l.Pid)
	}
	return fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(name)), l.Pid)
}
