package sqlite

import (
	"fmt"
	"os"
)

// opened is a file as it was when it was opened.
type opened struct {
	path string
	info os.FileInfo
}

// rememberFiles notes which files the connections have open.
func (w *writer) rememberFiles() error {
	w.files = w.files[:0]
	if w.s.o.vfs != "" {
		return nil // The tests' files have no names.
	}
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(w.s.path + suffix)
		if err != nil {
			return err
		}
		w.files = append(w.files, opened{w.s.path + suffix, info})
	}
	return nil
}

// present checks after each durable commit, before its answers, that the files
// are still those of the directory: what was written to one that has been
// removed is gone when this process ends.
func (w *writer) present() error {
	for _, f := range w.files {
		info, err := os.Stat(f.path)
		if err != nil {
			return fmt.Errorf("the data directory was removed or replaced: %w", err)
		}
		if !os.SameFile(f.info, info) {
			return fmt.Errorf("the data directory was removed or replaced: %s is another file", f.path)
		}
	}
	return nil
}
