package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// backupFile is a spool.Copy. Its file loses its name as soon as it is open, so that
// its room is free again when the process ends, however it ends. Its reader, its
// caller, a store that closes and a disk that fills may all end it, at any moment.
type backupFile struct {
	s *Store
	// begun reports that its first page was copied. It belongs to the writer.
	begun bool

	// mu guards the fields below, and the file against being closed under a read.
	mu sync.Mutex
	f  *os.File
	// name is empty once the file has lost it.
	name string
	// size and off are in bytes: of the whole copy, and what was read of it.
	size int64
	off  int64
	// cause is why it ended, nil while it has not. ended is closed with it.
	cause error
	ended chan struct{}
}

var errCopyClosed = errors.New("the copy is closed")

// create makes the file, and returns its name, which SQLite opens it by.
func (c *backupFile) create(dir string) (path string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return "", c.cause
	}
	if c.f, err = os.CreateTemp(dir, copyPrefix+"*"); err != nil {
		return "", fmt.Errorf("making the copy: %w", err)
	}
	c.name = c.f.Name()
	return c.name, nil
}

// unname removes the name. On systems where an open file must have one, Close removes it.
func (c *backupFile) unname() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.removeName()
}

// removeName is unname for a caller that holds mu.
func (c *backupFile) removeName() error {
	if c.name == "" {
		return nil
	}
	if err := os.Remove(c.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		if !unixFiles {
			return nil
		}
		return fmt.Errorf("removing the name of the copy: %w", err)
	}
	c.name = ""
	return nil
}

// measure records the size of the finished copy.
func (c *backupFile) measure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return c.cause
	}
	fi, err := c.f.Stat()
	if err != nil {
		return fmt.Errorf("measuring the copy: %w", err)
	}
	c.size = fi.Size()
	return nil
}

// endCause returns why the copy ended, nil while it has not.
func (c *backupFile) endCause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// end ends the copy for a reason that its reader then gets. The file is cut to nothing
// first, because SQLite's connection may have it open still: closing alone would free
// no room. Another copy may only begin after Close.
func (c *backupFile) end(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	c.cause = cause
	close(c.ended)
	if c.f == nil {
		return
	}
	_ = c.f.Truncate(0)
	_ = c.removeName()
	_ = c.f.Close()
	_ = c.removeName()
}

// Size implements spool.Copy.
func (c *backupFile) Size() int64 { return c.size }

// Ended implements spool.Copy.
func (c *backupFile) Ended() <-chan struct{} { return c.ended }

// Read implements io.Reader.
func (c *backupFile) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return 0, c.cause
	}
	if c.off >= c.size {
		return 0, io.EOF
	}
	n, err := c.f.ReadAt(b[:min(int64(len(b)), c.size-c.off)], c.off)
	c.off += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// Close implements io.Closer.
func (c *backupFile) Close() error {
	c.end(errCopyClosed)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.copy.file == c {
		c.s.copy = currentCopy{}
	}
	return nil
}

var _ spool.Copy = (*backupFile)(nil)
