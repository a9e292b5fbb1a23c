package sqlite

import (
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	maxBatch      = 512
	maxBatchBytes = 8 << 20
	// syncWithin bounds how long a settle stays unsynced; the promise is 1 s.
	syncWithin = 500 * time.Millisecond
	// persistEvery is how often the clock's time is written along.
	saveEvery = time.Second
	// persistIdle is how often it is written where nothing else is.
	saveIdle = 5 * time.Minute
)

// writer owns the writing connection and all state that is decided upon. Only
// who has the turn touches it: its own goroutine, or a caller by runHere. A
// transaction changes the state in memory as it goes; where it fails,
// everything is read anew from the file.
type writer struct {
	turn   sync.Mutex
	failed error // of a caller's batch: the file is to be reopened

	s *Store
	c *conn
	q statements
	// backup is the copy that is being made, nil if none is. It ends with c.
	backup *backup

	syncFull bool          // PRAGMA synchronous is FULL
	clock    spool.Reading // of this batch
	now      int64         // its Now
	// age is the time that has passed, by which things are old enough to go. Only
	// differences count: a clock that was wrong and a process that was down
	// leave it alone.
	age           int64
	ageBase       int64           // age when the clock began
	ageBegun      int64           // age when the process began
	jumpAge       int64           // age when now last went ahead of it
	newestOf      map[int64]int64 // newest of sources by their number, as read
	logPages      int             // pages in the log
	pageSize      int64           // size of a page
	unsyncedSince time.Time
	blockedAt     time.Time // when a reader of another process last kept the log
	files         []opened
	savedNow      int64         // the last time persisted
	savedAge      int64         // the last age persisted
	jumpFollowed  time.Duration // of the clock, as followed
	changes       int64         // rows changed by this connection when the batch began

	id           int64 // of the store, kept for its life
	newID        bool  // the database alone may not know it yet
	epoch        int64 // of the process, for fences
	fences       int64
	issued       []int64 // fences of this batch
	seq          int64   // the last number given to an event or entry
	floor        int64   // of seq, as persisted
	merged       int64   // the ids of all events up to here are in the table
	recent       recentIDs
	sources      map[string]*source
	routes       map[int64]*route // merged ones lead to their heir
	names        map[routeName]*route
	leases       map[int64]*lease
	touched      map[*route]bool // whose view is to be published; true: to be told
	buckets      map[bucketKey][]byte
	namesChanged bool // names or routes have changed
	moving       []move
	oddBytes     int64
	// oddEntries counts what is in quarantine.
	oddEntries int64
	sweep      sweep
	filter     idFilter
}

func newWriter(s *Store) *writer {
	w := &writer{s: s, filter: idFilter{seed: maphash.MakeSeed()}}
	w.forget()
	return w
}

// forget drops all that is known from the file.
func (w *writer) forget() {
	w.sources = map[string]*source{}
	w.routes = map[int64]*route{}
	w.names = map[routeName]*route{}
	w.leases = map[int64]*lease{}
	w.touched = map[*route]bool{}
	w.buckets = map[bucketKey][]byte{}
	w.namesChanged, w.moving, w.oddBytes, w.oddEntries = false, nil, 0, 0
	w.sweep = sweep{}
	w.newestOf = nil
	w.merged, w.recent = 0, recentIDs{gathering: newGeneration()}
}

func (w *writer) loop() {
	defer w.s.goroutines.Done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait, again := w.round()
		if again {
			continue
		}
		timer.Reset(wait)
		select {
		case <-w.s.wake:
			// Who woke us is seldom alone: the others get on with their requests
			// first, or each would pay for a flush of its own. On one core that
			// is 0.05 flushes an event in place of 0.6.
			runtime.Gosched()
		case a := <-w.s.steps:
			w.turn.Lock()
			w.runStep(a)
			w.turn.Unlock()
		case <-timer.C:
		case <-w.s.callsEnded:
			w.finish()
			return
		}
	}
}

// round serves what waits, and says how long nothing more is to be done.
func (w *writer) round() (wait time.Duration, again bool) {
	w.turn.Lock()
	defer w.turn.Unlock()
	if err := w.failed; err != nil {
		w.failed = nil
		w.reopen(err)
		return 0, true
	}
	w.dropBackup()
	if batch := w.s.take(); len(batch) > 0 {
		w.serve(batch)
		w.runWaitingStep()
		if len(batch) > 1 {
			// Those who were answered may have more: one batch is cheaper
			// than two that take turns.
			runtime.Gosched()
		}
		return 0, true
	}
	if w.unsyncedSince.IsZero() || w.c == nil { // closed in the middle of reopening
		return time.Hour, false
	}
	if wait = syncWithin - time.Since(w.unsyncedSince); wait <= 0 {
		w.serve(nil)
		return 0, true
	}
	return wait, false
}

// runHere runs the next batch in the goroutine of a caller, where the writer's
// own is idle: an event that comes alone then waits for no other goroutine. Only
// a caller that waits to the end in any case may do so. False leaves the rest to
// the writer's own goroutine, which is to be roused then.
func (w *writer) runHere() bool {
	if !w.turn.TryLock() {
		return false
	}
	defer w.turn.Unlock()
	if w.failed != nil || w.size() >= tailAt {
		return false
	}
	runtime.Gosched() // as in loop
	batch := w.s.take()
	if len(batch) == 0 {
		return true // Another batch has had the caller's request.
	}
	if err := w.commit(batch); err != nil {
		w.s.fail(batch, err)
		w.failed = err
		return false
	}
	w.answer(batch)
	w.requestPass()
	return w.unsyncedSince.IsZero() && w.s.nothingPending()
}

// take takes what waits, up to a batch.
func (s *Store) take() []*request {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := 0
	for i, r := range s.pending {
		if size += r.size; i == maxBatch || i > 0 && size > maxBatchBytes {
			batch := s.pending[:i:i]
			s.pending = append([]*request(nil), s.pending[i:]...)
			return batch
		}
	}
	batch := s.pending
	s.pending = nil
	return batch
}

func (s *Store) nothingPending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending) == 0
}

// serve runs a batch and answers it. No batch means: sync what is not.
func (w *writer) serve(batch []*request) {
	err := w.commit(batch)
	if err != nil {
		// The batch may or may not have been written.
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

func (w *writer) answer(batch []*request) {
	for _, r := range batch {
		r.done <- struct{}{}
	}
	w.notifyWatchers()
}

// commit applies a batch as one transaction. After an error nothing in memory
// is to be believed.
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

// setSynchronous toggles the pragma, which can only be done between transactions.
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
