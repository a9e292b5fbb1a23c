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

// rememberFiles records which files the connections have open. An opening has just made
// sure that they are those of the directory.
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

// checkFiles checks after each durable commit, before its answers, that the files are
// still those of the directory. An open file lives on without its name: commits and
// fsyncs succeed, and all of it is gone when this process ends. Two stats a commit cost
// little beside an fsync.
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

// rescueLog copies into the database what a log holds that was removed while the store
// is open. The writer's connection is the last that has it: once that is closed, which
// reopening does first, the log's pages are gone. Where the database or the directory is
// gone too, there is nothing left to copy into.
func (w *writer) rescueLog() {
	if w.c == nil || len(w.files) < 2 || w.s.lock.moved() {
		return
	}
	db, err := os.Stat(w.files[0].path)
	if err != nil || !os.SameFile(db, w.files[0].info) {
		return // The file to copy into is gone as well.
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
