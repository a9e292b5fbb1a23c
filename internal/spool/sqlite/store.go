// Package sqlite is the embedded engine of spool.Store: one SQLite file in WAL
// mode, read and written through the pure Go driver github.com/ncruces/go-sqlite3.
// DESIGN.md beside this file has the states, the tables, the reasons and what a
// power cut does at each step.
//
// Guarantee: an Accept, Quarantine, Hold, Resume, Configure or Redeliver that
// returned nil is fsynced. Settles, leases and releases survive the death of
// the process when they return, and a power cut within a second. After any
// error of a commit nothing is believed until the file was reopened and its
// whole log was fsynced again, and is copied into the database again.
//
// Limits: one process opens a store, guarded by a lock file, on a local file
// system; others may read it. Events carry checksums, and an end of the log that
// lacks what was acknowledged is noticed; rot elsewhere in a database of more than
// 16 MiB is noticed only where it breaks what is read. A disk or hypervisor that
// lies about fsync is not survived.
package sqlite

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Options are how a store is opened. The zero value is usable.
type Options struct {
	// Now is the machine's clock. Default time.Now.
	Now func() time.Time
	// Log receives what an operator should know. Default: nothing is logged.
	Log *slog.Logger
	// Settings are the operator's; Tune changes them later.
	Settings spool.Settings

	// What a test puts in place of the world outside; zero values mean that world.

	vfs      string                           // the name of a registered VFS
	index    string                           // the path of the file that a VFS keeps its shared memory in
	freeDisk func(dir string) (uint64, error) // how many bytes the disk of dir has left
	limits   limits                           // smaller bounds, so that a few events reach them
}

// Store is the embedded engine. It implements spool.Store and
// spool.Embedded.
//
// A call takes one of two ways. What changes something, or must be exact, goes to
// the writer (submit), which serves all that wait as one batch and answers after
// its commit. What only reads is answered from the view of the last commit, or by
// a connection that only reads. No call holds a lock across I/O that another call
// needs. Three goroutines run from Open to Close: the writer's own, the
// checkpointer's and the keeper's.
//
// Where to read on:
//
//	accept.go, quarantine.go        what Accept decides, and where odd bodies go
//	lease.go, settle.go, discard.go the life of a delivery
//	configure.go, routes*.go        queues, their names, holds, owners; the view for callers
//	records*.go, reader.go          the log that operators read
//	retention*.go, maintenance.go   what leaves by age and size; steps between batches
//	request.go                      how a call reaches the writer
//	writer.go, open.go, reopen.go   batches, and every way in which a life begins
//	backup*.go, compact.go          copies, and room that is given back
//	check*.go, offline*.go          stores that no process uses
//	data_dir.go, lock_*.go, fs_*.go the directory, and the system below it
//
// The type writer has the map of the state behind them. DESIGN.md says why.
type Store struct {
	// o is as given to Open, with defaults filled in. Nothing writes to it later.
	o Options
	// log is o.Log, or a logger that drops everything.
	log *slog.Logger
	// dir is the absolute path of the data directory, path that of the database.
	dir  string
	path string
	// lock keeps other processes out from Open to Close.
	lock *dirLock
	// mark is the number up to which events were acknowledged. The holder of the
	// writer's turn raises it.
	mark ackMark
	// clock is made by the first opening, from the last time persisted. It locks
	// itself.
	clock *spool.Clock
	// settings are the operator's, with defaults filled in. Tune replaces them.
	settings atomic.Pointer[spool.Settings]

	// mu guards pending, down, closed and copy. It is never held across I/O.
	mu sync.Mutex
	// pending are the requests that no batch has taken yet, in order.
	pending []*request
	// down is why the store is not available, nil when it is.
	down error
	// closed is set when Close begins: further calls get spool.ErrClosed.
	closed bool
	// copy is the backup that is being made or read.
	copy currentCopy

	// wake has room for one signal to the writer's goroutine: requests wait.
	wake chan struct{}
	// steps hands over work that needs the writing connection between batches.
	steps chan *step
	// closeBegun is closed when Close begins: no call begins any more, and long
	// ones end early.
	closeBegun chan struct{}
	// callsEnded is closed when no call is running any more. The goroutines end
	// on it.
	callsEnded chan struct{}
	// opening is the context of tries to open. hurry ends it, so that Close does
	// not wait for another process that holds a lock.
	opening context.Context
	hurry   context.CancelFunc
	// calls counts calls that have entered, goroutines those of the store.
	calls      sync.WaitGroup
	goroutines sync.WaitGroup

	// view is what callers may read of the routes. It has a lock of its own.
	view view
	// served are the routes that owners serve. It has a lock of its own.
	served served
	// space is how full the store and its disk are. The holder of the writer's
	// turn measures; its atomic fields are for all.
	space space
	// ckpt copies the log into the database beside the writer.
	ckpt checkpointer
	// loads reads the events of leased deliveries, logs the records and routes. Two
	// connections, so that a long search in the log delays no delivery.
	loads reader
	logs  reader
	// w is the writer. Everything in it belongs to the holder of w.turn.
	w *writer
	// watch are the functions given to Watch, expired those given to OnExpired.
	watch   spool.Watchers[spool.RouteKey]
	expired spool.Watchers[spool.Delivery]
	// count are figures for Stats, since Open.
	count counters
	// closer makes a second Close do nothing.
	closer sync.Once
	// identity is the store's number, which a copy does not share. It is 0 only
	// before the first opening has read or drawn it.
	identity atomic.Int64
	// filterBuild is held while the filter of ids is built. Two at once would each
	// miss the ids that were announced to the other.
	filterBuild sync.Mutex
	// evidence compares the machine's clock with the platform's. It locks itself.
	evidence spool.ClockCheck
	// endedWell reports that everything was synced and the log copied at the end,
	// and that nothing had failed before. The writer's goroutine sets it as it
	// ends; Close reads it after that.
	endedWell bool
}

var (
	_ spool.Store    = (*Store)(nil)
	_ spool.Embedded = (*Store)(nil)
)

// Open opens the store in dir, which is created if it does not exist. It fails
// when another process holds it (within 5 s, naming the holder), when the file
// is damaged or of a newer version, and on network file systems. Attempts that
// were running when the last process ended are counted and due at once.
//
// Each step is behind the one that makes it safe: the lock before any file is
// touched, then the check that refuses files of another store unchanged, then what
// former processes left behind, and the log last of all.
func Open(dir string, o Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	s := &Store{
		o: o, dir: dir, path: filepath.Join(dir, "spool.db"),
		log:  o.Log,
		wake: make(chan struct{}, 1), steps: make(chan *step), closeBegun: make(chan struct{}), callsEnded: make(chan struct{}),
	}
	s.opening, s.hurry = context.WithCancel(context.Background())
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.o.limits = s.o.limits.withDefaults()
	if s.o.freeDisk == nil {
		s.o.freeDisk = freeDisk
	}
	set := o.Settings.WithDefaults()
	s.settings.Store(&set)
	if o.vfs == "" { // The files of a VFS are elsewhere.
		if err := PrepareDir(dir); err != nil {
			return nil, fmt.Errorf("opening store: %w", err)
		}
	}
	if s.lock, err = lockDir(dir); err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	if err := s.refuseCopying(); err != nil {
		s.hurry()
		s.lock.undo()
		return nil, fmt.Errorf("opening store: %w", err)
	}
	if err := s.openMark(); err != nil {
		s.hurry()
		s.lock.release(false)
		return nil, fmt.Errorf("opening store: %w", err)
	}
	if err := s.checkIdentity(); err != nil {
		s.hurry()
		s.mark.shut()
		// The process that owns these files is to find the lock as it left it: it
		// says whether the page cache may be believed.
		s.lock.undo()
		return nil, fmt.Errorf("opening store: %w", err)
	}
	s.sweepCopies()
	s.loads.init()
	s.logs.init()
	s.ckpt.init()
	s.w = newWriter(s)
	if err := s.w.open(true); err != nil {
		s.w.shut(false)
		s.hurry()
		s.mark.shut()
		s.lock.release(false)
		return nil, fmt.Errorf("opening store %s: %w", s.path, err)
	}
	s.goroutines.Add(3)
	go s.w.loop()
	go s.ckpt.loop(s)
	go s.maintain()
	return s, nil
}

// Close implements spool.Store. It waits for calls that are running and for the
// last fsync, but not for a disk that does not answer: what was acknowledged is on
// it, so that ending then is no worse than a kill.
func (s *Store) Close() (err error) {
	s.closer.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.closeBegun)
		// The reader of a copy may be slow, and Close is not to wait for it.
		s.endCopy(spool.ErrClosed)
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.calls.Wait()
			close(s.callsEnded)
			s.hurry()
			s.goroutines.Wait()
			s.mark.shut()
			s.lock.release(s.endedWell)
		}()
		timer := time.NewTimer(closeWithin)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			err = fmt.Errorf("closing store %s: its disk has not answered for %v: what was acknowledged is stored, and the next start reads it", s.path, closeWithin)
		}
	})
	return err
}

// closeWithin bounds Close where the disk does not answer at all.
const closeWithin = 8 * time.Second

// enter counts a call, which must call leave at its end. It fails with ErrClosed
// once Close has begun: under the same lock as Close sets closed, so that no call
// is added to the group after Close waits for it.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return spool.ErrClosed
	}
	s.calls.Add(1)
	return nil
}

// isClosing reports whether Close has begun. Long calls ask between their steps
// and end early, because Close waits for them.
func (s *Store) isClosing() bool {
	select {
	case <-s.closeBegun:
		return true
	default:
		return false
	}
}

// leave ends a call that has entered.
func (s *Store) leave() { s.calls.Done() }
