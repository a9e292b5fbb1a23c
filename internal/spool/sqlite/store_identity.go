package sqlite

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/ncruces/go-sqlite3"
)

// identity tells one store from its copies. It stands in the database, never changes there,
// and is noted beside it. A log belongs to one database: put beside another one, SQLite
// would copy its pages into that, and spoil it.
type identity struct {
	// id is the number of the store, 0 where it is not known.
	id int64
	// epoch is that of the process that wrote the log, 0 where it is not known.
	epoch int64
}

// Identity implements spool.Operator.
func (s *Store) Identity() string { return strconv.FormatInt(s.identity.Load(), 36) }

// errAnother says that the database is not the one that the files beside it belong to.
var errAnother = errors.New("it was put beside the files of another store")

// newID returns a random number for a store. Its upper bits make SQLite store it in eight
// bytes, always: giveCopyIdentity replaces it in place.
func newID() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // It never fails.
	return int64(binary.BigEndian.Uint64(b[:])>>2 | 1<<62)
}

// checkIdentity refuses a database that was restored beside the files of another, before
// anything is written. The epoch is compared too, for an older copy of the same store. Each
// start copies the whole log first, so the database alone knows at least the process before
// the last one; a copy that is older than that is refused.
func (s *Store) checkIdentity() error {
	noted := s.mark.identity
	if s.o.vfs != "" || noted.id == 0 {
		return nil
	}
	// A database that is missing or damaged is reported by what opens it.
	size, err := sizeOf(s.path)
	found := noted
	if err == nil && size > 0 {
		if i, err := identityOf(s.path); err == nil {
			found = i
		}
	}
	if found.id == noted.id && found.epoch >= noted.epoch-1 {
		return nil
	}
	beside := filepath.Join(s.dir, "acknowledged")
	if size, err := sizeOf(s.path + "-wal"); err == nil && size > 0 {
		beside = s.path + "-wal"
	}
	return fmt.Errorf("%s: %w (%s), which would spoil it; nothing was changed. To restore a copy, put it into an empty directory: "+
		"move all of %s away, make it anew, and put the copy there as spool.db", s.path, errAnother, beside, s.dir)
}

// identityOf returns the identity in the database alone, without its log: the log is
// what is in question.
func identityOf(path string) (i identity, err error) {
	c, err := openReadOnly(path, false)
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, c.shut()) }()
	app, err := c.one("PRAGMA application_id")
	if err == nil && app != applicationID {
		err = errNotOurs
	}
	if err != nil {
		return i, err
	}
	id, err1 := c.one("SELECT value FROM meta WHERE name='id'")
	epoch, err2 := c.one("SELECT value FROM meta WHERE name='epoch'")
	return identity{id, epoch}, errors.Join(err1, err2)
}

// recordIdentity notes beside the database which one it is, once the database alone
// knows it: else the next start would refuse the store. whole reports that all of the
// log was copied when this process began. A number drawn by this process is only in its
// own first commit, which is therefore copied first.
func (w *writer) recordIdentity(whole bool) error {
	if !whole || w.s.o.vfs != "" {
		return nil
	}
	if w.newID {
		inLog, copied, err := w.c.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
		if errors.Is(err, sqlite3.BUSY) || err == nil && copied < inLog {
			return nil // A reader keeps the log. The next start does it.
		}
		if err != nil {
			return fmt.Errorf("copying log: %w", err)
		}
		w.newID = false
	}
	return w.s.mark.recordIdentity(identity{w.id, w.epoch})
}

// giveCopyIdentity writes another number into a finished copy, so that it is told from this
// store. The copy's file has no name by which SQLite could open it, so the eight bytes are
// replaced in its page of meta, if they stand there once.
func (w *writer) giveCopyIdentity(f *backupFile) error {
	root, err := w.c.one("SELECT rootpage FROM sqlite_schema WHERE name='meta'")
	if err != nil || w.id == 0 {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause != nil {
		return f.cause
	}
	page, at := make([]byte, w.pageSize), (root-1)*w.pageSize
	if _, err := f.f.ReadAt(page, at); err != nil {
		return fmt.Errorf("reading the copy: %w", err)
	}
	id := binary.BigEndian.AppendUint64(nil, uint64(w.id))
	if bytes.Count(page, id) != 1 {
		return nil // It stands on another page: the copy keeps it.
	}
	id = binary.BigEndian.AppendUint64(id[:0], uint64(newID()))
	if _, err := f.f.WriteAt(id, at+int64(bytes.Index(page, binary.BigEndian.AppendUint64(nil, uint64(w.id))))); err != nil {
		return fmt.Errorf("writing the copy: %w", err)
	}
	return nil
}
