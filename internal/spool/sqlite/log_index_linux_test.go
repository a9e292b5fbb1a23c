package sqlite

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// As with the lock of the store: a child that is being started has the file.
func TestTheIndexIsFreeThoughAChildHasItsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "index")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	x, err := lockIndex(bg, path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(x.f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	x.release()
	x, err = lockIndex(bg, path, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	x.release()
}
