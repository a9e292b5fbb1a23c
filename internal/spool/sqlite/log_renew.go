package sqlite

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/ncruces/go-sqlite3"
)

const (
	// busyFor is how long what needs a lock waits for another process, which may
	// hold one for a moment.
	busyFor = 5 * time.Second
	// emptyFor is how long emptying the log waits for readers: it may be done later.
	emptyFor = 500 * time.Millisecond
)

// index returns the path of the index of the log. All processes that have the store
// open share it in memory.
func (s *Store) index() string {
	if s.o.vfs != "" {
		return s.o.index
	}
	return s.path + "-shm"
}

// renewLog makes the log durable as it was found (rewriteLog), and has SQLite read and
// copy all of it again, while no other process may write to it or copy it.
//
// Alone, a process gets that from SQLite itself: the first that opens the index makes it
// from the log. A process that stays, such as a backup tool, keeps the index of the life
// before, and that may be wrong in two ways. It says how much was copied by a process
// whose fsync of the database may have failed. And it does not know a commit that was
// written whole by a process that was killed before it published it; a tool that copies
// the log as a file, as Litestream does, has that commit already, and would never see
// what was written over it with the same salts. So the index is made invalid, and SQLite
// makes it from the log as if the process were alone.
func (w *writer) renewLog() (err error) {
	x, err := lockIndex(w.s.opening, w.s.index(), busyFor)
	if err != nil {
		return err
	}
	if x != nil {
		defer x.release()
	}
	if err := w.lockLog(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.c.Exec("ROLLBACK")) }()
	if err := w.s.rewriteLog(); err != nil {
		return err
	}
	if x == nil {
		return nil
	}
	return x.invalidate()
}

// lockLog begins a transaction that keeps other processes from writing to the log.
func (w *writer) lockLog() error {
	err := w.c.Exec("BEGIN IMMEDIATE")
	if errors.Is(err, sqlite3.BUSY) {
		return fmt.Errorf("%s has a transaction open that writes to the store; end it: %w", whoReads(w.s.index()), err)
	}
	return w.explainDamage(err)
}

// copyLog copies all of the log into the database and empties it. A reader of another
// process that stays may prevent that. Nothing is lost then: the log is on the disk as
// a whole, and SQLite does not begin it again before it was copied to its end. Where
// the index cannot be made invalid, an old one could hide frames, so there a start
// fails instead.
func (w *writer) copyLog() (whole bool, err error) {
	left, emptied, err := w.emptyLog()
	if err != nil || emptied {
		return emptied, err
	}
	who := whoReads(w.s.index())
	if runtime.GOOS != "linux" {
		return false, fmt.Errorf("copying log: %s reads the store: end it, or its transaction: %w", who, sqlite3.BUSY)
	}
	if err := w.voidLogEnd(); err != nil {
		return false, err
	}
	w.s.log.Info("another process reads the store and keeps its log; the log is emptied when it ends its transaction",
		"path", w.s.path+"-wal", "reader", who, "pages_left", left)
	return left == 0, nil
}

// emptyLog copies the log and empties it, and waits for short readers only. Where a
// reader stays it copies as far as that reader allows, and returns how many pages are
// left; 1 stands for an unknown number.
func (w *writer) emptyLog() (left int, emptied bool, err error) {
	if err := w.c.BusyTimeout(emptyFor); err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, w.c.BusyTimeout(busyFor)) }()
	inLog, copied, err := w.c.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
	if errors.Is(err, sqlite3.BUSY) {
		inLog, copied, err = w.c.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
		if errors.Is(err, sqlite3.BUSY) { // Another process is copying it now.
			return 1, false, nil
		}
		if err == nil {
			return inLog - copied, false, nil
		}
	}
	if err == nil && (inLog != 0 || copied != 0) {
		err = fmt.Errorf("%d of %d pages were left", inLog-copied, inLog)
	}
	if err != nil {
		return 0, false, fmt.Errorf("copying log: %w", err)
	}
	return 0, true, nil
}

// shrinkLog gives back the room of a log that grew while another process read the store
// for long, once that has ended. SQLite would cut the file when the log begins again,
// but in a store where nothing more is written that may be days away. It does not wait
// for any lock: the keeper tries again at its next tick.
func (s *Store) shrinkLog() {
	if s.o.vfs != "" {
		return
	}
	if size, err := sizeOf(s.path + "-wal"); err != nil || size <= WALCap {
		return
	}
	_ = s.betweenBatches(s.opening, func(w *writer) error {
		k := &s.ckpt
		if !k.copying.TryLock() {
			return nil
		}
		defer k.copying.Unlock()
		err := w.c.BusyTimeout(0)
		if err == nil {
			_, _, err = w.c.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
		}
		if err == nil {
			w.logPages = 0
			s.count.logBytes.Store(0)
		}
		if err = errors.Join(err, w.c.BusyTimeout(busyFor)); err != nil && !errors.Is(err, sqlite3.BUSY) {
			// A failed fsync of the database is no better than one of the log.
			s.fail(nil, err)
			w.failed = err
			s.wakeWriter()
		}
		return nil
	})
}
