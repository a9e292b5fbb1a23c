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

// dirLock is held on a file beside the database as long as the store is open.
type dirLock struct {
	f    *os.File
	path string
	// endedWell: the process before released it after a life in which every fsync
	// succeeded. A kill leaves the number of the process in the file.
	endedWell bool
	was       []byte // what the file held before
}

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

// moved: the file that we hold is no longer the one in the directory.
func (l *dirLock) moved() bool {
	mine, err := l.f.Stat()
	if err != nil {
		return true
	}
	there, err := os.Stat(l.path)
	return err != nil || !os.SameFile(mine, there)
}

// release leaves the file: removing it would let two others hold one each. well
// says that nothing of the store failed.
func (l *dirLock) release(well bool) {
	if well {
		_ = l.f.Truncate(0)
	}
	_ = l.f.Close()
}

// undo releases it as it was found, for a start that changes nothing.
func (l *dirLock) undo() {
	if l.f.Truncate(0) == nil {
		_, _ = l.f.WriteAt(l.was, 0)
	}
	_ = l.f.Close()
}

// syncDir makes the names of new files durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func freeDisk(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("looking at file system: %w", err)
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil //nolint:unconvert // Signed on some systems.
}
