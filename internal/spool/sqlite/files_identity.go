package sqlite

import (
	"fmt"
	"os"

	"github.com/ncruces/go-sqlite3"
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

// checkFiles checks after each durable commit, before its answers, that the files
// are still those of the directory: what was written to one that has been
// removed is gone when this process ends.
func (w *writer) checkFiles() error {
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

// rescueLog copies into the database what the log holds that was removed under
// us: our connection still has it open, and closing that would end it.
func (w *writer) rescueLog() {
	if w.c == nil || len(w.files) < 2 || w.s.lock.moved() {
		return
	}
	db, err := os.Stat(w.files[0].path)
	if err != nil || !os.SameFile(db, w.files[0].info) {
		return // what we would write to is gone too
	}
	if log, err := os.Stat(w.files[1].path); err == nil && os.SameFile(log, w.files[1].info) {
		return
	}
	w.s.ckpt.copying.Lock()
	defer w.s.ckpt.copying.Unlock()
	defer func() {
		if p := recover(); p != nil {
			w.s.log.Error("rescuing the removed log failed", "path", w.files[1].path, "error", p)
		}
	}()
	if err := w.checkpoint(sqlite3.CHECKPOINT_FULL); err != nil {
		w.s.log.Error("rescuing the removed log failed", "path", w.files[1].path, "error", err)
		return
	}
	w.s.log.Warn("the log was removed; all it held is in the database", "path", w.files[1].path)
}
