package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// backupPages are copied between two batches: 1 MiB, a few milliseconds.
const backupPages = 256

// Backup implements spool.Backuper. It copies by the writing connection, whose
// own changes reach the copy: another connection would begin anew with each
// commit, and a long read would keep the log from restarting.
func (s *Store) Backup(ctx context.Context, path string, p spool.Progress) (err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backing up: %s is there already: name a file that is not", path)
	}
	part, err := os.CreateTemp(filepath.Dir(path), ".backup-*")
	if err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	defer func() {
		part.Close()
		if err != nil {
			os.Remove(part.Name())
			os.Remove(part.Name() + "-journal")
		}
	}()
	if err := s.copyTo(ctx, part.Name(), p); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	if err := part.Sync(); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	// Not os.Rename: it would replace what has come to be there meanwhile.
	if err := os.Link(part.Name(), path); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	if err := os.Remove(part.Name()); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func (s *Store) copyTo(ctx context.Context, path string, p spool.Progress) error {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path}
	// The copy is worth nothing before its end, when it is synced as a whole.
	q := url.Values{"_pragma": {"synchronous(OFF)"}}
	u.RawQuery = q.Encode()
	var (
		b    *sqlite3.Backup
		of   *conn
		done bool
	)
	for !done {
		err := s.beside(ctx, func(w *writer) (err error) {
			if b == nil {
				of = w.c
				if b, err = w.c.BackupInit("main", u.String()); err != nil {
					return err
				}
			}
			if of != w.c {
				b = nil // It went with its connection.
				return fmt.Errorf("%w: it was reopened meanwhile", spool.ErrUnavailable)
			}
			done, err = b.Step(backupPages)
			if p != nil {
				all := int64(b.PageCount()) * w.pages
				p(all-int64(b.Remaining())*w.pages, all)
			}
			if done && err == nil {
				err, b = b.Close(), nil
			}
			return err
		})
		if err != nil {
			s.abandon(b, of)
			return err
		}
	}
	return nil
}

// abandon ends a copy that will not be finished.
func (s *Store) abandon(b *sqlite3.Backup, of *conn) {
	if b == nil {
		return
	}
	_ = s.beside(context.Background(), func(w *writer) error {
		if w.c != of {
			return nil
		}
		return b.Close()
	})
}
