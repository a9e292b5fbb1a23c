//go:build !unix

package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
)

// shareDir fails with ErrInUse while the lock file is there. It cannot keep
// others from opening the store.
func shareDir(dir string) (release func(), err error) {
	path := filepath.Join(dir, "lock")
	if _, err := os.Stat(path); err == nil {
		return nil, fmt.Errorf("%w, or its last user died (then remove %s)", ErrInUse, path)
	}
	return func() {}, nil
}
