// Package sqlite is the embedded engine of spool.Store: one SQLite file in WAL
// mode, read and written through the pure Go driver github.com/ncruces/go-sqlite3.
//
// Guarantee: an Accept, Quarantine, Hold, Resume, Configure or Redeliver that
// returned nil is fsynced. Settles, leases and releases survive the death of
// the process when they return, and a power cut within a second. After any
// error of a commit nothing is believed until the file was reopened and its
// whole log was fsynced anew, and is copied into the database anew.
//
// Limits: one process opens a store, guarded by a lock file, on a local file
// system; others may read it. Events carry checksums, and an end of the log that lacks what was
// acknowledged is noticed; rot elsewhere in a database of more than 16 MiB is
// noticed only where it breaks what is read. A disk or hypervisor that lies
// about fsync is not survived.
package sqlite

import (
	"context"
	"errors"
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

// Store is a spool.Store, and spool.Embedded.
type Store struct {
	o        Options
	log      *slog.Logger
	dir      string
	path     string
	lock     *dirLock
	mark     ackMark
	clock    *spool.Clock
	settings atomic.Pointer[spool.Settings]

	mu         sync.Mutex
	pending    []*request
	down       error // why the store is not available, nil when it is
	closed     bool
	wake       chan struct{}
	steps      chan *step
	copy       currentCopy
	closeBegun chan struct{}   // closed when Close begins: no call begins any more
	callsEnded chan struct{}   // closed when no call is running any more
	opening    context.Context // of tries to open, ended by hurry
	hurry      context.CancelFunc
	calls      sync.WaitGroup
	goroutines sync.WaitGroup

	view    view
	space   space
	ckpt    checkpointer
	loads   reader // events of leased deliveries
	logs    reader // records and routes
	w       *writer
	watch   watchers[spool.RouteKey]
	count   counters
	expired watchers[spool.Delivery]
	closer  sync.Once
	// identity names the store; 0 only before its first opening has read or given it.
	identity atomic.Int64
	// learning is held while the filter of ids is made: two at once would each miss
	// what the other was told.
	filterBuild sync.Mutex
	// evidence speaks for or against the machine's clock.
	evidence spool.ClockCheck
	// endedWell: all was synced and the log copied at the end, and nothing had
	// failed before.
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
	if err := s.openMark(); err != nil {
		s.hurry()
		s.lock.release(false)
		return nil, fmt.Errorf("opening store: %w", err)
	}
	if err := s.checkIdentity(); err != nil {
		s.hurry()
		s.mark.shut()
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

// Close implements spool.Store.
func (s *Store) Close() (err error) {
	s.closer.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.closeBegun)
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

// closeWithin bounds Close where the disk does not answer at all. Ending then is
// no worse than a kill.
const closeWithin = 8 * time.Second

// enter counts a call, which leave must end.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return spool.ErrClosed
	}
	s.calls.Add(1)
	return nil
}

// isClosing: what takes long ends early, for a Close that waits for it.
func (s *Store) isClosing() bool {
	select {
	case <-s.closeBegun:
		return true
	default:
		return false
	}
}

func (s *Store) leave() { s.calls.Done() }

// request is one piece of work for the writer.
type request struct {
	do      func(*writer) error
	durable bool
	size    int
	err     error
	done    chan struct{}
}

var requests = sync.Pool{New: func() any { return &request{done: make(chan struct{}, 1)} }}

// do has the writer run f in a transaction, and returns when that is committed:
// fsynced if durable. f may still run when ctx has ended the waiting.
func (s *Store) do(ctx context.Context, durable bool, size int, f func(*writer) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.submit(ctx, durable, size, f)
}

// submit is do for a caller that has entered.
func (s *Store) submit(ctx context.Context, durable bool, size int, f func(*writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := requests.Get().(*request)
	r.do, r.durable, r.size, r.err = f, durable, size, nil
	s.mu.Lock()
	if down := s.down; down != nil {
		s.mu.Unlock()
		return fmt.Errorf("%w: %w", spool.ErrUnavailable, down)
	}
	s.pending = append(s.pending, r)
	s.mu.Unlock()
	if !durable || ctx.Done() != nil || !s.w.runHere() {
		s.wakeWriter()
	}
	select {
	case <-r.done:
		err := r.err
		r.do = nil
		requests.Put(r)
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wakeWriter wakes the writer's own goroutine.
func (s *Store) wakeWriter() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// refusal is the answer to one request. Any other error of a request is one of
// the medium or of our own, and ends the transaction for all.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func refuse(err error) error { return refusal{err} }

// callerError is what a caller sees of a request's own error.
func callerError(err error) error {
	var r refusal
	if errors.As(err, &r) {
		return r.error
	}
	return err
}
