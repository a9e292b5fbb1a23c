package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

const (
	// applicationID stands in the header of the database: it is "ibgx".
	applicationID = 0x69626778
	pageSize      = 4096
	// The writer's cache holds the inner pages of the id table and the hot ends of
	// the others. More would cost: a commit that has split a page walks all of it.
	writerCacheKiB = 16 << 10
	readerCacheKiB = 2 << 10
	// clockBehind is how far the machine's clock may be behind what the store has
	// seen, as after a small correction, before that is logged.
	clockBehind = time.Minute
)

var errNotOurs = errors.New("the file is a database of another program; choose another directory")

// open opens all connections and reads the state. first is the start of the process;
// else the file must still be there, and leases of this process live on. Errors about
// the file's bytes come back with what an operator can do.
func (w *writer) open(first bool) error {
	err := w.openWithoutPanic(first)
	if first && errors.Is(err, sqlite3.READONLY) && w.s.o.vfs == "" {
		// makePrivate could open it for writing, so it is the header that forbids it.
		err = fmt.Errorf("%w: its header names a format that nobody may write to: %w", record.ErrDamaged, err)
	}
	return w.explainDamage(err)
}

// openWithoutPanic is openFiles, whose panics are damage: on a damaged schema the
// driver can panic while it quotes the statement that failed.
func (w *writer) openWithoutPanic(first bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the driver gave it up: %v", record.ErrDamaged, p)
		}
	}()
	return w.openFiles(first)
}

// openFiles does the steps of an opening in the order that DESIGN.md gives ("After any
// opening"): no state is read before the log is on the disk as a whole, and nothing is
// answered before the directory is synced. A crash between any two of them leaves
// what the next opening begins with, so each may be repeated.
func (w *writer) openFiles(first bool) error {
	// What callers could see may not be in the file.
	w.s.view.mu.Lock()
	w.s.view.names, w.s.view.routes = nil, nil
	w.s.view.mu.Unlock()
	if !first && w.s.lock.moved() {
		return errors.New("the data directory was removed or replaced")
	}
	if first && w.s.o.vfs == "" {
		if err := w.s.checkLogHasDatabase(); err != nil {
			return err
		}
		if err := w.s.makeFile(); err != nil {
			return err
		}
	}
	if err := w.s.forgetDatabasePages(); err != nil {
		return err
	}
	c, err := w.s.connect(first, writerCacheKiB)
	if err != nil {
		return err
	}
	// Close must not wait for another process's lock. Once open, nothing interrupts
	// this connection, least of all in a commit.
	c.SetInterrupt(w.s.opening)
	defer c.SetInterrupt(context.Background())
	w.c, w.q, w.syncFull, w.logPages, w.cutting = c, statements{}, true, 0, false
	c.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
		w.logPages = pages
		return nil
	})
	if err := w.identify(first); err != nil {
		return err
	}
	whole, err := w.recoverLog()
	if err != nil {
		return err
	}
	if first {
		if err := w.upgrade(); err != nil {
			return err
		}
	}
	if err := w.prepare(); err != nil {
		return err
	}
	if err := w.inspect(first); err != nil {
		return err
	}
	if err := w.load(first); err != nil {
		return err
	}
	if err := w.recordIdentity(whole); err != nil {
		return err
	}
	if err := w.openOthers(); err != nil {
		return err
	}
	w.s.makeFilesPrivate()
	if err := w.rememberFiles(); err != nil {
		return err
	}
	return syncDir(w.s.dir)
}

// recoverLog makes the log durable as it was found and then copies it into the
// database. whole reports whether all of it is there now.
//
// The order matters after a failed fsync: the page cache may then hold frames that the
// disk lacks. Copied first, their pages could reach the database before the frames
// reach the log, and a power cut between the two leaves new pages under an older log.
func (w *writer) recoverLog() (whole bool, err error) {
	if err := w.renewLog(); err != nil {
		return false, err
	}
	// Before anything else is written: what is left of a damaged log may be needed
	// to rescue what the mark says is missing.
	if err := w.checkMark(); err != nil {
		return false, err
	}
	// The database, too, may hold pages whose fsync failed. They are all in the log;
	// copied from there again they are written and fsynced again.
	if whole, err = w.copyLog(); err == nil && whole {
		err = w.checkFileLength()
	}
	return whole, err
}

// load reads the state, and makes durable that this process has begun: its epoch must
// be on the disk before its first fence is given, or the next process could give the
// same one. What was running is settled in the same transaction.
func (w *writer) load(first bool) error {
	w.forget()
	last, err := w.readMeta(first)
	if err != nil {
		return err
	}
	if first {
		w.s.clock = spool.NewClock(w.s.machineNow, record.Time(last))
	}
	w.readClock()
	if behind := record.Time(w.now).Sub(w.s.machineNow()); first && behind > clockBehind {
		w.s.log.Warn("the machine's clock is behind the time that the store has seen: the store goes on from that time; no event is refused for it, but set the clock right",
			"behind", behind.Round(time.Second).String(), "store", record.Time(w.now).UTC().Format(time.RFC3339))
	}
	if err := w.q.begin.exec(); err != nil {
		return err
	}
	if err := w.readRoutes(); err != nil {
		return err
	}
	if err := w.readRecentIDs(); err != nil {
		return err
	}
	if err := w.recoverRunning(first); err != nil {
		return err
	}
	if err := errors.Join(w.setMeta("epoch", w.epoch), w.saveTime(), w.setMeta("id", w.id)); err != nil {
		return err
	}
	if err := w.q.commit.exec(); err != nil {
		return fmt.Errorf("committing recovery: %w", err)
	}
	w.unsyncedSince = time.Time{}
	w.publishOdd()
	w.publishAll()
	w.namesChanged = false
	for _, rt := range w.routes {
		w.touch(rt, true)
	}
	return nil
}

// machineNow returns the time of the machine's clock.
func (s *Store) machineNow() time.Time {
	if s.o.Now != nil {
		return s.o.Now()
	}
	return time.Now()
}

// identify checks that the file is a store of this version, and makes it one if it is
// empty and the process begins.
func (w *writer) identify(first bool) error {
	app, err := w.c.one("PRAGMA application_id")
	if err != nil {
		return w.explainDamage(err)
	}
	version, err := w.c.one("PRAGMA user_version")
	if err != nil {
		return w.explainDamage(err)
	}
	tables, err := w.c.one("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return w.explainDamage(err)
	}
	switch {
	case app == 0 && version == 0 && tables == 0 && first:
		w.pageSize = pageSize
		return createIn(w.c)
	case app != applicationID:
		return unmarked(w.c, app, w.s.path)
	case version > schemaVersion:
		return fmt.Errorf("the store has version %d, this program knows up to %d: use the newer program", version, schemaVersion)
	case version < 1 || version < schemaVersion && !first:
		return fmt.Errorf("the store has the unknown version %d", version)
	}
	if err := w.c.Exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"); err != nil {
		return w.explainDamage(err)
	}
	w.pageSize, err = w.c.one("PRAGMA page_size")
	return err
}

// explainDamage adds to an error about the file's bytes what an operator can do. Other
// errors come back as they are. The file itself is never shortened or replaced: what
// can still be read of it is the operator's to rescue.
func (w *writer) explainDamage(err error) error {
	if errors.Is(err, spool.ErrDamaged) {
		return err
	}
	// A logic error here means that a table or an index is not as we made it.
	if isDamage(err) || errors.Is(err, sqlite3.NOTADB) || errors.Is(err, sqlite3.ERROR) {
		return fmt.Errorf("%w: restore a backup into an empty directory (move all of %s away, make it anew, put the backup there as spool.db), "+
			"or rescue what can be read with `sqlite3 %s .recover`, or move the directory away to begin anew: %w", spool.ErrDamaged, w.s.dir, w.s.path, err)
	}
	return err
}

// checkFileLength finds a file that was cut short, which SQLite would only notice
// when it reads there. All of the log is in it now, so the header is right about the
// number of its pages.
func (w *writer) checkFileLength() error {
	if w.s.o.vfs != "" {
		return nil
	}
	f, err := os.Open(w.s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [32]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return err
	}
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	want := int64(binary.BigEndian.Uint32(head[28:])) * w.pageSize
	if fi.Size() < want {
		return w.explainDamage(fmt.Errorf("it has %d of %d bytes: %w", fi.Size(), want, sqlite3.CORRUPT))
	}
	return nil
}

// openOthers opens the connections of readers and of the checkpointer. They come last:
// SQLite makes the index of the log from the log itself for the connection that opens
// it first, and that is to be the writer's.
func (w *writer) openOthers() error {
	for _, r := range []*reader{&w.s.loads, &w.s.logs} {
		c, err := w.s.connect(false, readerCacheKiB)
		if err != nil {
			return err
		}
		if err := r.open(c); err != nil {
			return err
		}
	}
	c, err := w.s.connect(false, readerCacheKiB)
	if err != nil {
		return err
	}
	return w.s.ckpt.open(c)
}

// makeFilesPrivate narrows the modes of the files that SQLite makes. A failure is only
// logged, because the directory keeps others out already.
func (s *Store) makeFilesPrivate() {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Chmod(s.path+suffix, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("making file private failed", "path", s.path+suffix, "error", err)
		}
	}
}
