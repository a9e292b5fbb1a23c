//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockWithin is how long a second process waits for the first to end, as
// after a fast restart.
const lockWithin = 4 * time.Second

// dirLock is a lock on the file "lock" beside the database, held as long as the store
// is open. The kernel frees it when the process ends, however it ends.
//
// What is in the file tells the next process how this one ended: the number of the process
// while it runs and after a kill, nothing after an end before which every fsync succeeded.
type dirLock struct {
	f    *os.File
	path string
	// endedWell reports that the process before ended well: the page cache has what the
	// disk has.
	endedWell bool
	// was is what the file held before, for undo.
	was []byte
}

// lockDir takes the lock. It waits for a process that is about to end, and names it in the
// error if it does not.
func lockDir(dir string) (*dirLock, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening lock: %w", err)
	}
	deadline := time.Now().Add(lockWithin)
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(deadline) {
			holder, _ := os.ReadFile(path)
			f.Close()
			return nil, fmt.Errorf("%s is in use by process %s: %w", dir, strings.TrimSpace(string(holder)), err)
		}
		<-time.After(50 * time.Millisecond)
	}
	was, err := os.ReadFile(path)
	if err == nil {
		err = f.Truncate(0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("writing lock: %w", err)
	}
	if _, err := f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("writing lock: %w", err)
	}
	return &dirLock{f: f, path: path, endedWell: len(was) == 0, was: was}, nil
}

// moved reports whether the file that is locked is no longer the one in the directory: the
// directory was removed or replaced, and another process may hold the lock of the new one.
func (l *dirLock) moved() bool {
	mine, err := l.f.Stat()
	if err != nil {
		return true
	}
	there, err := os.Stat(l.path)
	return err != nil || !os.SameFile(mine, there)
}

// release frees the lock. well reports that nothing of the store has failed in this
// life. The file stays: where it is removed, one process may hold the old one and
// another a new one.
func (l *dirLock) release(well bool) {
	if well {
		_ = l.f.Truncate(0)
	}
	unlock(l.f)
}

// undo frees the lock and leaves the file as it was found, for a start that changes
// nothing.
func (l *dirLock) undo() {
	if l.f.Truncate(0) == nil {
		_, _ = l.f.WriteAt(l.was, 0)
	}
	unlock(l.f)
}

// unlock frees the lock on a file and closes it. To close alone is not enough: a child that
// the process is starting has the file too, until the moment it becomes another program.
func unlock(f *os.File) {
	_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
	_ = f.Close()
}

// syncDir makes the names of new files durable. An fsync of a file does not do that.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// freeDisk returns how many bytes the file system has left for this user.
func freeDisk(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("looking at file system: %w", err)
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil //nolint:unconvert // Signed on some systems.
}
