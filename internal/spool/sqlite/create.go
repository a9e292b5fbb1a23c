package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"
)

// makeFile makes the database under another name, and gives it its own once it is
// whole and on the disk: a program that waits for it, as Litestream does, never finds
// one that is empty, and makes it its own. A file that is there becomes private.
func (s *Store) makeFile() error {
	if _, err := os.Lstat(s.path); err == nil {
		return makePrivate(s.path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh := filepath.Join(s.dir, ".spool.db-new")
	for _, suffix := range []string{"", "-journal", "-wal", "-shm"} { // A former process may have died here.
		if err := os.Remove(fresh + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := makePrivate(fresh); err != nil {
		return err
	}
	if err := makeStore(fresh); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	if err := os.Rename(fresh, s.path); err != nil {
		return err
	}
	return syncDir(s.dir)
}

// makeStore makes an empty file a store. Its log is in it, and gone, at the end.
func makeStore(path string) (err error) {
	c, err := sqlite3.OpenFlags(fileURI(path, url.Values{"modeof": {path}}), sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI)
	if err != nil {
		return err
	}
	if err := errors.Join(createIn(&conn{Conn: c}), c.Close()); err != nil {
		return err
	}
	if size, err := sizeOf(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("creating store: %d bytes stay in its log", size), err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|noFollow, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// createIn makes the tables in an empty database, in one transaction, so that a stop
// leaves an empty file or a whole store. auto_vacuum can only be chosen before the
// first table.
func createIn(c *conn) error {
	sql := fmt.Sprintf(`PRAGMA page_size=%d; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;
		PRAGMA synchronous=FULL; BEGIN IMMEDIATE; %s
		PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT`, pageSize, schemaUpTo(0, schemaVersion), applicationID, schemaVersion)
	if err := c.Exec(sql); err != nil {
		return fmt.Errorf("creating store: %w", err)
	}
	if v, err := c.one("PRAGMA auto_vacuum"); err != nil || v != 2 {
		return fmt.Errorf("creating store: auto_vacuum is %d: %w", v, err)
	}
	return nil
}

// makePrivate makes the database's file before SQLite would, which gives it a wider
// mode: bodies hold phone numbers and messages.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}
