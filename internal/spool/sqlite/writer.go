package sqlite

import (
	"hash/maphash"
	"runtime"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// maxBatch and maxBatchBytes bound one transaction, in requests and in bytes of
	// events, so that no caller waits long behind the others of its batch, and the
	// log stays below WALCap.
	maxBatch      = 512
	maxBatchBytes = 8 << 20
	// syncWithin bounds how long a settle stays unsynced; the promise is 1 s.
	syncWithin = 500 * time.Millisecond
	// saveEvery is how often the clock's time is written along.
	saveEvery = time.Second
	// saveIdle is how often it is written where nothing else is.
	saveIdle = 5 * time.Minute
)

// writer owns the writing connection and all state that is decided upon. Only the
// holder of turn touches it: the writer's own goroutine, or a caller in runHere. A
// transaction changes the state in memory as it goes; where it fails, everything is
// read again from the file, because memory and file may differ from then on.
//
// Where its parts are (DESIGN.md has the reasons):
//
//	writer.go, commit.go     the turn, batches, the commit
//	open.go, log_*.go        an opening: the log is made durable, copied, read
//	state_load.go            the state is read; running attempts are recovered
//	reopen.go                the same after a failure, and the end
//	state.go, routes_view.go queues, leases and counts; what callers see of them
//	ids_*.go                 which ids are known: recent ones, the table, the filter
//	clock*.go                what is due, what is old, and a clock that was set
//	acknowledged.go          the mark beside the database
//	*_identity.go            which store and which files these are
//	retention*.go, space.go  what leaves, and how full the store is
type writer struct {
	// turn is the right to touch everything below. It is held for a batch.
	turn sync.Mutex
	// failed is why a batch failed that a caller had run: the writer's goroutine has
	// to reopen the file before anything else. nil while all is well.
	failed error

	s *Store
	// c is the writing connection, nil while none could be opened.
	c *conn
	// q are the statements prepared on c.
	q statements
	// backup is the copy that is being made, nil if none is. It ends with c.
	backup *backup

	// syncFull reports that PRAGMA synchronous of c is FULL: a COMMIT fsyncs.
	syncFull bool
	// logPages is how many pages the log had after the last commit.
	logPages int
	// pageSize is the size of a page in bytes.
	pageSize int64
	// unsyncedSince is when the first commit came that no fsync has followed, zero
	// where all is synced.
	unsyncedSince time.Time
	// blockedAt is when a reader of another process last kept the log from being
	// copied to its end.
	blockedAt time.Time
	// cutting reports that the file of the log is cut when the log begins again.
	cutting bool
	// files are the database and its log as c has them open.
	files []opened
	// changes is how many rows c had changed when the batch began.
	changes int64

	// clock is what the clock said when the batch began.
	clock spool.Reading
	// now is clock.Now in nanoseconds since 1970: by it deliveries are due and
	// leases end.
	now int64
	// age is the time, in nanoseconds, that all processes of this store have seen
	// pass: by it things are old enough to go. Only differences count. A clock that
	// was wrong and a process that was down leave it alone.
	age int64
	// ageBase is age when this process began. The clock's Passed is added to it.
	ageBase int64
	// jumpAge is age when now last jumped ahead of it.
	jumpAge int64
	// jumpFollowed is how far the ends of leases were moved along with the clock.
	jumpFollowed time.Duration
	// newestOf is the newest created_at that was accepted, in nanoseconds, by the
	// number of a source. It is what meta held; readQueues hands it to the sources.
	newestOf map[int64]int64
	// savedNow and savedAge are now and age as last written to meta.
	savedNow int64
	savedAge int64

	// id is the number of the store, kept for its life. newID reports that it was
	// drawn by this process and that the database alone may not hold it yet.
	id    int64
	newID bool
	// epoch is the number of this process among those that have had the store, and
	// fences how many fences it has given. Together they make the next fence.
	epoch  int64
	fences int64
	// issued are the fences given in this batch. After a failed commit it is not
	// known whether those leases are in the file, so reopening gives them back uncounted.
	issued []int64
	// seq is the last number given to an event or an entry in quarantine.
	seq int64
	// floor is what meta says that seq had reached. It counts where the rows with
	// the largest numbers have gone.
	floor int64
	// merged is the number up to which the ids of all events are in the table of ids.
	merged int64
	// recent are the ids of later events. The table may lack them.
	recent recentIDs
	// sources are found by name.
	sources map[string]*source
	// routes are queues by number; the number of a merged one leads to the queue
	// that took it over.
	routes map[int64]*route
	// names lead to queues; a queue may have several.
	names map[routeName]*route
	// leases are the running deliveries by number.
	leases map[int64]*lease
	// touched are the queues that this batch has changed, and whether something
	// became due there, so that watchers are notified.
	touched map[*route]bool
	// buckets are the ids accepted in this batch, packed, by when they may go.
	buckets map[bucketKey][]byte
	// namesChanged reports that the batch made or merged sources, names or queues:
	// the whole view is published then.
	namesChanged bool
	// moving are merged queues whose deliveries have not all moved yet.
	moving []move
	// oddBytes and oddEntries are the size and number of what is in quarantine.
	oddBytes   int64
	oddEntries int64
	// sweep is how far retention has come.
	sweep sweep
	// filter rules out ids that the table does not have. It outlives a reopening.
	filter idFilter
}

// newWriter returns a writer that knows nothing yet: open reads the state.
func newWriter(s *Store) *writer {
	w := &writer{s: s, filter: idFilter{seed: maphash.MakeSeed()}}
	w.forget()
	return w
}

// forget drops all state that came from the file, before it is read again. The
// filter of ids may stay: what it holds beyond the file only costs a search.
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

// loop is the writer's own goroutine, until the last call has ended.
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
			// Yield once so that other callers can queue their requests and
			// share this commit. Measured on one core: 0.05 instead of 0.6
			// fsyncs per event.
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

// round does the next piece of work, in this order: a failure that a caller's batch
// has left, requests that wait, and the late fsync of settles. It returns how long
// nothing is to be done, or that it should be called again at once.
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
			// The callers just answered may send their next requests at once:
			// one batch of them is cheaper than two that take turns.
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

// runHere runs the next batch in the goroutine of a caller where the writer's own
// is idle. An event that comes alone is then stored without a switch to another
// goroutine and back. Only a caller that waits to the end in any case may do so.
//
// It returns false where something is left for the writer's own goroutine, which
// the caller then has to wake: another holds the turn, the file has to be reopened,
// the log has grown so long that the batch would pay for copying it, or more has
// come meanwhile. So a caller never does more than one batch's work for others.
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

// take takes what waits, up to a batch. One request larger than a batch goes alone.
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

// nothingPending reports whether no request waits.
func (s *Store) nothingPending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending) == 0
}
