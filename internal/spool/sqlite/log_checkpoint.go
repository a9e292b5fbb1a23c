package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// The log is copied into the database beside the writer, in passes. A log can only begin
// again from its start when it was copied to its very end, and a pass beside a writer
// never gets there: the writer appends meanwhile. So past tailAt the writer copies the
// short rest itself, between two batches. If a pass is running then, it leaves the rest
// to the next batch; at stopAt it waits, or the log would grow without bound under load.
// All sizes are in bytes.
const (
	// passEvery is how much the log grows between two passes.
	passEvery = 4 << 20
	tailAt    = 16 << 20
	stopAt    = 32 << 20
	// WALCap is what the log stays below, with a batch to spare. A larger file, as it
	// is after a long reader, is cut to it.
	WALCap = 64 << 20
)

// checkpointer copies the log into the database, in a goroutine beside the writer. Its
// passes only read the log and write the database, so accepts go on.
type checkpointer struct {
	// copying is held by one pass at a time, of this goroutine or of the writer.
	copying sync.Mutex
	// c is a connection of its own, guarded by copying; nil while the store is closed.
	c *conn
	// wake has room for one signal that a pass is due.
	wake chan struct{}
	// passed is how many bytes the log had when the last pass was asked for.
	passed atomic.Int64
	// failed reports that a pass has failed since Open: the database may lack pages
	// that the cache has, so this process does not end well.
	failed atomic.Bool
}

func (k *checkpointer) init() { k.wake = make(chan struct{}, 1) }

// open hands over the connection of an opening.
func (k *checkpointer) open(c *conn) error {
	k.copying.Lock()
	defer k.copying.Unlock()
	k.c = c
	k.passed.Store(0)
	return nil
}

// shut closes the connection, once no pass is running.
func (k *checkpointer) shut() {
	k.copying.Lock()
	defer k.copying.Unlock()
	_ = k.c.shut()
	k.c = nil
}

// loop runs the passes that the writer asks for, until the last call has ended. A failed
// pass is handed to the writer as a failed request, which reopens the file.
func (k *checkpointer) loop(s *Store) {
	defer s.goroutines.Done()
	for {
		select {
		case <-k.wake:
		case <-s.callsEnded:
			return
		}
		if err := k.pass(); err != nil && s.enter() == nil {
			// A failed fsync of the database is no better than one of the log.
			_ = s.submit(context.Background(), false, 0, func(*writer) error { return err })
			s.leave()
		}
	}
}

// pass copies what the log has, as far as readers allow. PASSIVE waits for no lock.
func (k *checkpointer) pass() (err error) {
	k.copying.Lock()
	defer k.copying.Unlock()
	defer func() {
		if err != nil {
			k.failed.Store(true)
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while copying log: %v", p)
		}
	}()
	if k.c == nil {
		return nil
	}
	_, _, err = k.c.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
	if errors.Is(err, sqlite3.BUSY) {
		return nil // Another process, such as a backup tool, is copying.
	}
	if err != nil {
		return fmt.Errorf("copying log: %w", err)
	}
	return nil
}

// size returns the size of the log in bytes.
func (w *writer) size() int64 { return int64(w.logPages) * w.pageSize }

// requestPass asks for a pass once enough has come since the last one.
func (w *writer) requestPass() {
	size, k := w.size(), &w.s.ckpt
	w.s.count.logBytes.Store(size)
	if size < k.passed.Load() {
		k.passed.Store(0) // the log has restarted
	}
	if size-k.passed.Load() >= passEvery {
		k.passed.Store(size)
		w.cutForCopier() // Before the log is copied whole, and may begin again.
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
}

// limitLog keeps the log short after a batch: it asks for a pass, and past tailAt copies
// the rest in the writer's turn. Where a reader of another process keeps it from the
// end, it pauses, so that it does not try in vain with every batch.
func (w *writer) limitLog() error {
	w.requestPass()
	size, k := w.size(), &w.s.ckpt
	switch {
	case size < tailAt:
		return nil
	case size >= stopAt:
		k.copying.Lock()
	case !k.copying.TryLock():
		return nil
	}
	defer k.copying.Unlock()
	if time.Since(w.blockedAt) < blockedPause {
		return nil
	}
	w.cutForCopier()
	inLog, copied, err := w.c.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
	if errors.Is(err, sqlite3.BUSY) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("copying log: %w", err)
	}
	if copied < inLog {
		w.blockedAt = time.Now()
	}
	return nil
}

// blockedPause is how long nothing more is tried where a reader of another process keeps
// the log from being copied to its end.
const blockedPause = 100 * time.Millisecond

// checkpoint copies the log by the writer's connection.
func (w *writer) checkpoint(mode sqlite3.CheckpointMode) error {
	_, _, err := w.c.WALCheckpoint("main", mode)
	if err != nil {
		return fmt.Errorf("copying log: %w", err)
	}
	return nil
}
