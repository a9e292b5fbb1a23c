//go:build !unix

package sqlite

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// dirLock is a file that exists as long as the store is open. Where the
// process died it stays behind and has to be removed by hand.
type dirLock struct {
	f         *os.File
	path      string
	endedWell bool // always false: nothing is known of it here
}

// lockDir makes the file. It does not wait: there is no way to see whether its maker
// still runs.
func lockDir(dir string) (*dirLock, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%s is in use, or its last user died (then remove %s): %w", dir, path, err)
	}
	return &dirLock{f: f, path: path}, nil
}

// moved reports whether the file is gone.
func (l *dirLock) moved() bool {
	_, err := os.Stat(l.path)
	return err != nil
}

// release removes the file, which has to be closed for that.
func (l *dirLock) release(bool) {
	_ = l.f.Close()
	_ = os.Remove(l.path)
}

// undo frees the lock, as release does.
func (l *dirLock) undo() { l.release(false) }

// syncDir does nothing: directories cannot be synced here.
func syncDir(string) error { return nil }

// freeDisk knows no limit here.
func freeDisk(string) (uint64, error) { return math.MaxUint64, nil }
