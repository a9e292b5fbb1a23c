package sqlite

import (
	"fmt"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// fail marks the store as not available and answers the batch and all that waits with
// ErrUnavailable, since the file may have the batch or not. Requests that come
// later are refused by submit until the file was reopened.
func (s *Store) fail(batch []*request, cause error) {
	s.mu.Lock()
	s.down = cause
	batch = append(batch[:len(batch):len(batch)], s.pending...)
	s.pending = nil
	s.mu.Unlock()
	err := fmt.Errorf("%w: %w", spool.ErrUnavailable, cause)
	for _, r := range batch {
		r.err = err
		r.done <- struct{}{}
	}
}

// reopen closes everything and opens the file again, until that succeeds or the store
// is closed. State in memory and pages in SQLite's caches may be ahead of the file
// after a failed commit, so none of it is kept, however small the cause was.
//
// The fences of the failed batch are remembered over all tries. A lease with one of
// them may or may not be in the file; no caller has it, so it is given back.
func (w *writer) reopen(cause error) {
	w.s.count.failures.Add(1)
	w.s.log.Error("store failed; reopening it", "path", w.s.path, "error", cause)
	unsure := make(map[int64]bool, len(w.issued))
	for _, f := range w.issued {
		unsure[f] = true
	}
	w.rescueLog()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		w.shut(false)
		err := w.tryReopen(unsure)
		if err == nil {
			w.s.log.Info("store is open again", "path", w.s.path)
			return
		}
		w.s.log.Warn("reopening store failed", "path", w.s.path, "error", err, "again_in", pause)
		if w.s.pause(pause, cause) {
			w.shut(false)
			return
		}
	}
}

// pause waits between two tries to reopen, and reports whether the store was closed
// instead. Steps that are asked for meanwhile are refused at once.
func (s *Store) pause(d time.Duration, cause error) (closed bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return false
		case a := <-s.steps:
			a.done <- fmt.Errorf("%w: %w", spool.ErrUnavailable, cause)
		case <-s.callsEnded:
			return true
		}
	}
}

// tryReopen makes one try. unsure are the fences that the failed batch had given.
func (w *writer) tryReopen(unsure map[int64]bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while reopening: %v", p)
		}
	}()
	w.issued = w.issued[:0]
	for f := range unsure {
		w.issued = append(w.issued, f)
	}
	if err := w.open(false); err != nil {
		return err
	}
	w.s.mu.Lock()
	w.s.down = nil
	w.s.mu.Unlock()
	w.notifyWatchers()
	return nil
}

// finish ends the writer: it syncs what is not synced, writes the time down, copies the
// log and closes. Only if all of that and everything before it went well does the next
// process believe the page cache.
func (w *writer) finish() {
	if w.c == nil {
		return
	}
	clean := w.failed == nil
	if clean && (!w.unsyncedSince.IsZero() || w.hasUnsavedTime()) {
		clean = w.commit(nil) == nil
	}
	w.s.endedWell = w.shut(clean) && w.s.count.failures.Load() == 0 && !w.s.ckpt.failed.Load()
}

// shut closes all connections. With clean it copies the log first, and reports whether
// all of it was copied; the log is empty then, unless another process reads it. After a
// failure the log must stay as it is: copying it then could put pages into the
// database whose frames are not on the disk. SQLite itself would copy it when the last
// connection closes; each has SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE set against that.
func (w *writer) shut(clean bool) (copied bool) {
	w.s.loads.shut()
	w.s.logs.shut()
	w.s.ckpt.shut()
	if w.c == nil {
		return false
	}
	w.endBackup()
	defer func() {
		// A connection that cannot even be closed is left to the collector.
		if p := recover(); p != nil {
			w.s.log.Error("closing connection failed", "error", p)
		}
		w.c = nil
	}()
	if clean {
		left, _, err := w.emptyLog()
		if err != nil {
			w.s.log.Warn("copying log at close failed", "error", err)
		}
		copied = err == nil && left == 0
	}
	if err := w.c.shut(); err != nil {
		w.s.log.Warn("closing connection failed", "error", err)
		return false
	}
	return copied
}
