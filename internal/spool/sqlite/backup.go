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

// backupPages are copied between two batches: 1 MiB, a few milliseconds.
const backupPages = 256

// backup is a copy that is being made. It belongs to the writer.
type backup struct {
	b    *sqlite3.Backup
	file *backupFile
}

// Backup implements spool.Embedded. It copies by the writing connection, whose
// own changes reach the copy: another connection would begin anew with each
// commit, and a long read would keep the log from restarting.
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
		// The room comes back before the store is asked for anything.
		_ = f.Close()
		s.wakeWriter()
		return nil, fmt.Errorf("backing up: %w", err)
	}
	return f, nil
}

// copyStep copies the next pages.
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
	// The copy is worth nothing before its end, and nothing of it is to have a name.
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

// roomFor refuses a copy that still has so many bytes to write, if new events
// could be refused for it: the live log may grow meanwhile.
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

// endBackup ends a copy that is given up, or whose connection goes.
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

// dropBackup ends the copy whose caller has given it up. A copy that goes on
// gets every change of the store, and takes room.
func (w *writer) dropBackup() {
	if w.backup != nil && w.backup.file.endCause() != nil {
		w.endBackup()
	}
}

// currentCopy is the right to make a copy, and the one there is.
type currentCopy struct {
	file  *backupFile // guarded by Store.mu, nil when there is none
	since time.Time   // guarded by Store.mu
	by    string      // guarded by Store.mu
}

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

// endCopy gives up the copy there is, and says whether there was one.
func (s *Store) endCopy(cause error) bool {
	s.mu.Lock()
	f := s.copy.file
	s.mu.Unlock()
	if f != nil {
		f.end(cause)
	}
	return f != nil
}
