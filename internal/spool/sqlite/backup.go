package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// backupPages is how many pages are copied between two batches: 1 MiB, a few milliseconds.
const backupPages = 256

// backup is a copy that is being made. It belongs to the writer, and ends with the writer's
// connection.
type backup struct {
	b    *sqlite3.Backup
	file *backupFile
}

// Backup implements spool.Embedded. It copies by the writing connection, in steps between
// batches, because SQLite carries that connection's own changes over into the copy. By
// another connection the copy would begin again with each commit, and a long read
// transaction would keep the log from beginning again.
func (s *Store) Backup(ctx context.Context, by string, p spool.Progress) (spool.Copy, error) {
	f, err := s.reserveCopy(by)
	if err != nil {
		return nil, fmt.Errorf("backing up: %w", err)
	}
	for done := false; !done && err == nil; {
		err = s.betweenBatches(ctx, func(w *writer) (err error) {
			done, err = w.copyStep(f, p)
			return err
		})
	}
	if err == nil {
		err = f.measure()
	}
	if err != nil {
		// The room comes back at once; the writer's part ends when it has its turn.
		_ = f.Close()
		s.wakeWriter()
		return nil, fmt.Errorf("backing up: %w", err)
	}
	return f, nil
}

// copyStep copies the next pages, and begins with the first call. A store that was reopened
// meanwhile has lost SQLite's part of the copy, which cannot be taken up again.
func (w *writer) copyStep(f *backupFile, p spool.Progress) (done bool, err error) {
	defer func() {
		if err != nil {
			w.endBackup()
		}
	}()
	if err := f.endCause(); err != nil {
		return false, err
	}
	if f.begun && (w.backup == nil || w.backup.file != f) {
		return false, fmt.Errorf("%w: it was reopened meanwhile", spool.ErrUnavailable)
	}
	if !f.begun {
		if err := w.beginBackup(f); err != nil {
			return false, err
		}
	}
	b := w.backup.b
	if err := w.roomFor(int64(b.Remaining()) * w.pageSize); err != nil {
		return false, err
	}
	if done, err = b.Step(backupPages); err != nil {
		return false, err
	}
	if p != nil {
		all := int64(b.PageCount()) * w.pageSize
		p(all-int64(b.Remaining())*w.pageSize, all)
	}
	if !done {
		return false, nil
	}
	w.backup = nil
	if err := b.Close(); err != nil {
		return false, err
	}
	return true, w.giveCopyIdentity(f)
}

// beginBackup makes the file and opens it as a database of SQLite's. It has no journal and
// no fsync: a copy counts only once it is whole, and its reader makes it durable.
func (w *writer) beginBackup(f *backupFile) error {
	w.endBackup()
	all, err := w.pragma(w.q.allPages)
	if err != nil {
		return err
	}
	if err := w.roomFor(all * w.pageSize); err != nil {
		return err
	}
	path, err := f.create(w.s.dir)
	if err != nil {
		return err
	}
	// From here on nothing of it has a name, so nothing is left when the process ends.
	b, err := w.c.BackupInit("main", fileURI(path, url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)"}}))
	if err := errors.Join(err, f.unname()); err != nil {
		if b != nil {
			err = errors.Join(err, b.Close())
		}
		return err
	}
	f.begun = true
	w.backup = &backup{b: b, file: f}
	return nil
}

// roomFor refuses a copy that still has so many bytes to write, if new events could be
// refused for it. Besides the copy, the log may grow up to where it begins again. It is
// asked before each step, because others fill the same disk.
func (w *writer) roomFor(bytes int64) error {
	free, err := w.s.o.freeDisk(w.s.dir)
	if err != nil {
		return err
	}
	if need, spare := bytes+max(0, tailAt-w.size()), int64(min(free, 1<<62))-DiskFloor; need > spare {
		return fmt.Errorf("%w for the copy: it needs %s, and there are %s to spare on the disk of %s above what new events need. Make room there, or stop inboxgate and copy the directory",
			spool.ErrNoRoom, humanize.IBytes(uint64(need)), humanize.IBytes(uint64(max(spare, 0))), w.s.dir)
	}
	return nil
}

// endBackup ends a copy that is given up, or whose connection is about to close. Its
// file is its caller's to close.
func (w *writer) endBackup() {
	if w.backup == nil {
		return
	}
	b := w.backup
	w.backup = nil
	if err := b.b.Close(); err != nil {
		w.s.log.Debug("a copy was not finished", "error", err)
	}
}

// dropBackup ends the copy whose caller has given it up. SQLite would go on to carry every
// change over into it.
func (w *writer) dropBackup() {
	if w.backup != nil && w.backup.file.endCause() != nil {
		w.endBackup()
	}
}

// currentCopy is the copy that is being made or read. There is one at a time: each takes as
// much room as the store. Its fields are guarded by Store.mu.
type currentCopy struct {
	// file is nil when there is none.
	file *backupFile
	// since and by say when it began and for whom, for the error that others get.
	since time.Time
	by    string
}

// reserveCopy takes the right to make a copy, until it is closed.
func (s *Store) reserveCopy(by string) (*backupFile, error) {
	if by == "" {
		by = "this process"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, spool.ErrClosed
	}
	if s.copy.file != nil {
		ago := time.Since(s.copy.since).Round(time.Second)
		return nil, fmt.Errorf("%w: one backup at a time: %s has been making or reading one since %s (%s): wait for it, or end it",
			spool.ErrBusy, s.copy.by, s.copy.since.UTC().Format(time.RFC3339), ago)
	}
	f := &backupFile{s: s, ended: make(chan struct{})}
	s.copy = currentCopy{file: f, since: time.Now(), by: by}
	return f, nil
}

var errNoRoomLeft = fmt.Errorf("%w for the copy any more: the disk has come down to what new events need", spool.ErrNoRoom)

// endCopy gives up the copy there is, and reports whether there was one.
func (s *Store) endCopy(cause error) bool {
	s.mu.Lock()
	f := s.copy.file
	s.mu.Unlock()
	if f != nil {
		f.end(cause)
	}
	return f != nil
}
