//go:build unix

package sqlite

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A child that is being started has every open file of the process until it becomes
// another program. It must not keep a store in use that is closed.
func TestALockEndsThoughAChildHasItsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	child := func(f *os.File) {
		t.Helper()
		fd, err := unix.Dup(int(f.Fd())) // As a fork does: the same open file.
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
	free := func(after string) {
		t.Helper()
		release, err := shareDir(dir) // It does not wait.
		if err != nil {
			t.Fatalf("after %s: %v", after, err)
		}
		release()
	}
	for after, end := range map[string]func(*dirLock){
		"an end": func(l *dirLock) { l.release(true) }, "a bad end": func(l *dirLock) { l.release(false) }, "a start that was given up": (*dirLock).undo,
	} {
		l, err := lockDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		child(l.f)
		end(l)
		free(after)
	}
	s := mustOpen(t, dir, Options{})
	child(s.lock.f)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	free("Close")
}
