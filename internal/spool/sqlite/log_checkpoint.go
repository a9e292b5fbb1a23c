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

// The log is copied into the database beside the writer in passes of this
// size. A pass never ends at the end of a log that grows meanwhile, so past
// tailAt the writer copies the short rest itself and the log restarts. At
// stopAt it waits for a pass that is still running to do so.
const (
	passEvery = 4 << 20
	tailAt    = 16 << 20
	stopAt    = 32 << 20
	// WALCap is what the log stays below, with a batch to spare.
	WALCap = 64 << 20
)

// checkpointer copies the log beside the writer.
type checkpointer struct {
	copying sync.Mutex // one pass at a time, here or by the writer
	c       *conn      // guarded by copying
	wake    chan struct{}
	passed  atomic.Int64 // bytes in the log at the last pass
	failed  atomic.Bool  // a pass has
}

func (k *checkpointer) init() { k.wake = make(chan struct{}, 1) }

func (k *checkpointer) open(c *conn) error {
	k.copying.Lock()
	defer k.copying.Unlock()
	k.c = c
	k.passed.Store(0)
	return nil
}

func (k *checkpointer) shut() {
	k.copying.Lock()
	defer k.copying.Unlock()
	_ = k.c.shut()
	k.c = nil
}

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
		return nil // a backup tool is at it
	}
	if err != nil {
		return fmt.Errorf("copying log: %w", err)
	}
	return nil
}

// size is that of the log in bytes.
func (w *writer) size() int64 { return int64(w.logPages) * w.pageSize }

// requestPass has the log copied beside us once enough has come.
func (w *writer) requestPass() {
	size, k := w.size(), &w.s.ckpt
	w.s.count.logBytes.Store(size)
	if size < k.passed.Load() {
		k.passed.Store(0) // the log has restarted
	}
	if size-k.passed.Load() >= passEvery {
		k.passed.Store(size)
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
}

// limitLog keeps the log short after a batch.
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

// blockedPause is how long nothing more is tried where a reader of another process
// keeps the log from being copied to its end.
const blockedPause = 100 * time.Millisecond

// checkpoint copies the log by the writer's connection.
func (w *writer) checkpoint(mode sqlite3.CheckpointMode) error {
	_, _, err := w.c.WALCheckpoint("main", mode)
	if err != nil {
		return fmt.Errorf("copying log: %w", err)
	}
	return nil
}
