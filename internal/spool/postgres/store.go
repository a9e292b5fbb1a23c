// Package postgres is the engine of spool.Store for several machines: PostgreSQL, 14
// or newer, through github.com/jackc/pgx/v5. Each process that has it open is a
// member. DESIGN.md beside this file has the tables, the five rules that keep ids
// exact, and what is seen when a process, a database or the way between them fails.
//
// Guarantee: what the contract promises holds over all members that share a database
// and schema. An Accept, Quarantine, Lease, Release, Hold, Resume, Configure or
// Redeliver that returned nil was flushed by the database, and with Replica by a
// synchronous standby too. A settle survives the death of the member when it returns;
// a crash of the database's machine, or a failover, within a second may undo it.
// After any error or warning of a commit its outcome counts as unknown, and is asked
// for. Of time only the database's counts.
//
// Limits: nothing here makes a database safe that answers before it has flushed
// (fsync off, an asynchronous standby that is promoted). Another member's hold by
// hand is obeyed within a second; Lease obeys it at once. A newer event may overtake
// an older one of another member by a second, unless they have one key: those are in
// order once every member's program knows of it. The store goes by the size of what it
// keeps and not of the database's files, and knows nothing of the free disk there.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Durability is how much is waited for before an event counts as stored.
type Durability uint8

const (
	// Local waits for the database's own disk, and for a standby where the server is
	// set so. It is the default.
	Local Durability = iota
	// Replica refuses events while the server names no synchronous standby.
	Replica
)

// String returns the durability as a configuration names it.
func (d Durability) String() string {
	if d == Replica {
		return "replica"
	}
	return "local"
}

// Options are how a store is opened. The zero value is usable.
type Options struct {
	// Now is a test's clock, in place of the database's.
	Now func() time.Time
	// Log receives what an operator should know. Default: nothing is logged.
	Log *slog.Logger
	// Settings are the operator's; Tune changes them later. In force are the largest
	// window and retention of the live members, and the smallest maximum size.
	Settings spool.Settings
	// Name is the member's, for people. Default the name of the machine.
	Name string
	// Version is that of the program, for people.
	Version string
	// Durability is Local unless it is set.
	Durability Durability
	// Batches is how many batches of events may be on their way to the database at
	// once, 1 or 2. Default 1: each costs the server some 300 µs, whatever is in it.
	Batches int
	// DSN, where not nil, is asked for the DSN at each new connection, so that a
	// password may change. It must lead to the same Target.
	DSN func() (string, error)
	// Reset, where not nil, is called when the server was started anew or another
	// one has taken its place: what a process remembers of answers may be newer than
	// what the server has. It must not block.
	Reset func()
	// Committed, where not nil, is called with how long each durable commit took.
	Committed func(time.Duration)

	// What a test puts in place of the world outside.

	dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	beat     time.Duration // the pause between beats
	patience time.Duration // how long a batch is tried
	atOnce   int64         // up to which size a table is locked while an index is made
}

// Store is the engine on PostgreSQL. It implements spool.Store and spool.Shared.
//
// A call goes to the database by one of five connections, each with its duty, so that
// a long one never keeps the others waiting: events by the accepts' (accepts.go), ends
// of leases by the settles' (settles.go), what else changes something by calls, what
// only reads by reads, and the beat with the chores by beats. Where routes are ordered, a
// sixth has the ends of what others wait behind. No lock is held across
// I/O but the turn of a connection.
//
// Where to read on:
//
//	schema*.sql, schema.go, migrate.go the tables, and how they change
//	link.go, connect.go, outcome.go    a connection, and what an error says of a commit
//	accept.go, accepts.go, columns.go  batches of events: what is new is stored
//	known.go                           what is known, or odd
//	lease.go, leased.go                what is handed out, and taken over
//	settle.go, settles.go              how a lease ends
//	order.go, mend.go                  one after another, where deliveries have a key
//	catalog.go, configure.go, hold.go  names, queues, holds, and what is known of them here
//	beat.go, clock.go, members.go      the other members, and time
//	fleet.go, stats.go                 what the last beat said
//	chores.go, retain.go               what goes by age and size
//	records*.go, count.go, routes_list.go, operate.go  what operators see and do
//	copy*.go, tools.go                 a store moves; what the database's own tools do
type Store struct {
	// o is as given to Open, with defaults filled in. Nothing writes to it later.
	o Options
	// log is o.Log, or a logger that drops everything.
	log *slog.Logger
	// target is where the DSN leads, dsn the DSN that the store was opened with.
	target Target
	dsn    string
	// settings are this member's, with defaults filled in. Tune replaces them.
	settings atomic.Pointer[spool.Settings]
	// clock tells the time of the store. It locks itself.
	clock *clock
	// me is the number of this member, identity that of the storage.
	me       int64
	identity string
	// lockClass tells this storage's locks of keys from others' in the database.
	lockClass int32
	// fences counts those that this member has given.
	fences atomic.Int64
	// catalog is what is known here of sources, routes and holds. It locks itself.
	catalog catalog
	// fleet is what the last beat said of members and sizes. It locks itself.
	fleet fleet
	// leases are the running deliveries of this process. It locks itself.
	leases leases

	// accepts, settles and ordered write in batches; calls, reads and beats serve one
	// caller after the other. ordered are settles that end the head of a key.
	accepts *accepts
	settles *settles
	ordered *settles
	calls   *link
	reads   *link
	beats   *link

	// mender looks for keys whose turn nobody has given on. It locks itself.
	mender mender

	// crowded has room for a signal to the chores: the store is nearly full.
	crowded chan struct{}

	// watch are the functions given to Watch, expired those given to OnExpired.
	watch   spool.Watchers[spool.RouteKey]
	expired spool.Watchers[expiry]
	// count are figures for Stats and Health, since Open.
	count counters
	// evidence compares the database's clock with the platform's. It locks itself.
	evidence spool.ClockCheck
	// settled is up to where the log is decided. It locks itself.
	settled horizon

	// mu guards closed. It is never held across I/O.
	mu     sync.Mutex
	closed bool
	// calling counts calls that have entered, goroutines those of the store.
	calling    sync.WaitGroup
	goroutines sync.WaitGroup
	// closeBegun is closed when Close begins, callsEnded when no call is running any
	// more, over when the connections are to end whatever they do.
	closeBegun, callsEnded chan struct{}
	closer                 sync.Once
}

var (
	_ spool.Store   = (*Store)(nil)
	_ spool.Shared  = (*Store)(nil)
	_ spool.Counter = (*Store)(nil)
)

// Open opens the store that a DSN leads to. It waits for the database until ctx ends,
// and makes or changes the tables where the role may; otherwise Migrate must have been
// run by one that may. Nothing of former processes is touched: their leases run out.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	_, target, err := parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	if o.Name == "" {
		if o.Name, err = os.Hostname(); err != nil {
			o.Name = "unnamed"
		}
	}
	o.Batches = max(1, min(o.Batches, 2))
	if o.beat == 0 {
		o.beat = beatEvery
	}
	if o.patience == 0 {
		o.patience = acceptWithin
	}
	o.atOnce = cmp.Or(o.atOnce, atOnce)
	s := &Store{
		o: o, log: o.Log, target: target, dsn: dsn,
		closeBegun: make(chan struct{}), callsEnded: make(chan struct{}), crowded: make(chan struct{}, 1), mender: mender{at: firstKey},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	set := o.Settings.WithDefaults()
	s.settings.Store(&set)
	s.calls, s.reads, s.beats = newLink(s, "calls"), newLink(s, "reads"), newLink(s, "beats")
	s.accepts, s.settles, s.ordered = newAccepts(s), newSettles(s, "settles", linkSettles), newSettles(s, "ordered settles", linkOrdered)
	if err := s.begin(ctx); err != nil {
		s.hangUp()
		return nil, fmt.Errorf("opening store %s: %w", target, err)
	}
	s.accepts.start()
	s.settles.start()
	s.ordered.start()
	s.goroutines.Add(2)
	go s.beatOn()
	go s.keep()
	return s, nil
}

// begin makes this process a member: it finds the tables, the time, and who else is
// there.
func (s *Store) begin(ctx context.Context) error {
	if err := s.openSchema(ctx); err != nil {
		return err
	}
	if err := s.join(ctx); err != nil {
		return err
	}
	return s.firstBeat(ctx)
}

// Close implements spool.Store. It waits for running calls, but not for a database that
// does not answer: what was acknowledged is there.
func (s *Store) Close() (err error) {
	s.closer.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.closeBegun)
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.calling.Wait()
			close(s.callsEnded)
			s.goroutines.Wait()
			s.leave()
		}()
		timer := time.NewTimer(closeWithin)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			err = fmt.Errorf("closing store %s: the database has not answered for %v: what was acknowledged is stored there", s.target, closeWithin)
		}
		s.hangUp()
	})
	return err
}

// closeWithin bounds Close where the database does not answer at all.
const closeWithin = 8 * time.Second

// abandon ends the store as the death of its process would: nothing is written any more,
// and every running call fails at once. It is for tests.
func (s *Store) abandon() {
	s.hangUp()
	_ = s.Close()
}

// hangUp ends all connections, whatever they do.
func (s *Store) hangUp() {
	for _, l := range s.links() {
		l.end()
	}
}

// enter counts a call, which must call exit at its end. It fails with ErrClosed once
// Close has begun.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return spool.ErrClosed
	}
	s.calling.Add(1)
	return nil
}

// exit ends a call that has entered.
func (s *Store) exit() { s.calling.Done() }

// isClosing reports whether Close has begun.
func (s *Store) isClosing() bool {
	select {
	case <-s.closeBegun:
		return true
	default:
		return false
	}
}

// Identity implements spool.Operator.
func (s *Store) Identity() string { return s.identity }

// Target returns where the store is.
func (s *Store) Target() Target { return s.target }

// Tune implements spool.Store. The other members learn of it with the next beat.
func (s *Store) Tune(set spool.Settings) {
	set = set.WithDefaults()
	s.settings.Store(&set)
}

// errNoConnection is why a link has none.
var errNoConnection = errors.New("the database cannot be reached")
