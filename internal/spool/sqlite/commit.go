package sqlite

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// serve runs a batch and answers it. An empty batch syncs what is not synced yet.
func (w *writer) serve(batch []*request) {
	err := w.commit(batch)
	if err != nil {
		// The batch may or may not have been written: its frames can be whole in the
		// log although the commit failed, and then the reopening finds them.
		w.s.fail(batch, err)
		w.reopen(err)
		return
	}
	w.answer(batch)
	if err := w.limitLog(); err != nil {
		w.s.fail(nil, err)
		w.reopen(err)
	}
}

// answer lets the callers of a committed batch go on, then notifies the watchers.
func (w *writer) answer(batch []*request) {
	for _, r := range batch {
		r.done <- struct{}{}
	}
	w.notifyWatchers()
}

// commit applies a batch as one transaction, fsynced if one of its requests is
// durable or the batch is empty. After an error nothing in memory is to be believed.
//
// The order within it carries promises. The pragma comes first because SQLite
// refuses it within a transaction. The clock is read once, so that all requests of
// a batch see one time. After the COMMIT the files are looked at again and the mark
// of what was acknowledged is raised, both before any caller is answered: an answer
// must not outrun either. The view is published before the answers too, so that a
// caller sees its own change at once.
func (w *writer) commit(batch []*request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the writer: %v\n%s", p, debug.Stack())
		}
	}()
	durable, size := len(batch) == 0, 0
	for _, r := range batch {
		durable = durable || r.durable
		size += r.size
	}
	w.readClock()
	if err := w.setSynchronous(durable); err != nil {
		return err
	}
	w.changes = w.c.TotalChanges()
	if err := w.q.begin.exec(); err != nil {
		return err
	}
	if err := w.followClock(); err != nil {
		return err
	}
	if err := w.s.space.measure(w, size); err != nil {
		return err
	}
	if err := w.apply(batch); err != nil {
		return err
	}
	if err := w.q.commit.exec(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	switch wrote := w.c.TotalChanges() != w.changes; {
	case durable && wrote:
		// This fsync took along the commits before it that had none of their own.
		if err := w.checkFiles(); err != nil {
			return err
		}
		w.s.mark.raise(w.s, w.seq)
		w.unsyncedSince = time.Time{}
		w.s.count.commits.Add(1)
		w.s.count.calls.Add(int64(len(batch)))
	case wrote && w.unsyncedSince.IsZero():
		w.unsyncedSince = time.Now()
	}
	w.issued = w.issued[:0]
	w.publishOdd()
	if w.namesChanged {
		w.namesChanged = false
		w.publishAll()
	} else {
		w.publish()
	}
	return nil
}

// apply runs the requests of a batch, and what belongs to every batch: the times at
// which its ids may go, room made in a store that is nearly full, its share of a
// merge of ids, and the time, so that a restart does not begin in the past.
func (w *writer) apply(batch []*request) error {
	for _, r := range batch {
		r.err = r.do(w)
		var no refusal
		if r.err != nil && !errors.As(r.err, &no) {
			return r.err
		}
		r.err = callerError(r.err)
	}
	if err := w.flushBuckets(); err != nil {
		return err
	}
	if _, err := w.evict(); err != nil {
		return err
	}
	if err := w.mergeAlong(); err != nil {
		return err
	}
	wrote := w.c.TotalChanges() != w.changes
	if len(batch) == 0 || wrote && w.now-w.savedNow > int64(saveEvery) || w.age-w.savedAge > int64(saveIdle) {
		return w.saveTime()
	}
	return nil
}

// setSynchronous toggles PRAGMA synchronous, which can only be done between
// transactions. With FULL a commit fsyncs the log; with NORMAL it only writes it,
// so that it survives the process and not a power cut.
func (w *writer) setSynchronous(full bool) error {
	if full == w.syncFull {
		return nil
	}
	sql := "PRAGMA synchronous=NORMAL"
	if full {
		sql = "PRAGMA synchronous=FULL"
	}
	if err := w.c.Exec(sql); err != nil {
		return err
	}
	w.syncFull = full
	return nil
}
