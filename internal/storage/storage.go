// Package storage is what a process keeps of one store, in a data directory or a
// database, while configurations come and go: the open store, the memory of ids in
// front of it, and the room for attempts that all of them share.
//
// Guarantee: the settings and the logger in use are those of the newest configuration
// that has started and not gone. Leases that were lost are counted over all of them.
//
// A database's password is in no error, log or name of a place.
//
// Limits: the caller sees to it that a place is opened once, and closed after its last
// user.
package storage

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/loghandler"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// User is a configuration that uses a storage. Users are compared with ==.
type User interface {
	// Settings returns what the store is to be set to.
	Settings() spool.Settings
	// Place returns where the store is. Its Key is that of the storage.
	Place() Place
	// Log returns where the store's log goes.
	Log() *slog.Logger
	// Expired is called for each dead letter that retention has made.
	Expired(d spool.Delivery, reason string)
}

// Storage is the process's hold on one store.
type Storage struct {
	Store spool.Store
	Gate  *dedupe.Gate[spool.Receipt]
	Slots *deliver.Slots
	// Place is where the store is, as the configuration that opened it had it.
	Place Place

	log    *loghandler.Swap // Of the store; its target is the newest user's.
	growth metrics.Growth
	low    atomic.Bool // Short of room, and reported.
	off    atomic.Bool // The machine's clock is off, and reported.
	// ended are called with the events of which a delivery has ended.
	ended spool.Watchers[int64]
	// database is that of the newest user, by whose DSN new connections are made; nil
	// for a directory.
	database atomic.Pointer[Database]

	mu    sync.Mutex                   // Guards all that follows.
	live  map[*deliver.Dispatcher]bool // Those that Began and have not Ended.
	lost  uint64                       // Leases, by dispatchers that have ended.
	users []User                       // Oldest first.
}

// Open opens the store at a place. It waits for a database until ctx ends.
func Open(ctx context.Context, p Place, settings spool.Settings, log *slog.Logger) (*Storage, error) {
	gate, err := dedupe.NewGate[spool.Receipt](dedupe.GateOptions{})
	if err != nil {
		return nil, fmt.Errorf("making the gate: %w", err)
	}
	s := Of(nil, gate)
	s.Place, s.log = p, loghandler.NewSwap(log.Handler())
	s.database.Store(p.Database)
	if s.Store, err = p.open(ctx, s, settings); err != nil {
		gate.Close()
		return nil, err
	}
	s.Store.OnExpired(s.expired) // For the store's life: two users would count twice.
	return s, nil
}

// dsn returns the database's address as the newest configuration has it.
func (s *Storage) dsn() (string, error) { return s.database.Load().DSN() }

// Of returns the storage of a store that is open.
func Of(store spool.Store, gate *dedupe.Gate[spool.Receipt]) *Storage {
	return &Storage{
		Store: store, Gate: gate, Slots: deliver.NewSlots(),
		log:  loghandler.NewSwap(slog.DiscardHandler),
		live: make(map[*deliver.Dispatcher]bool),
	}
}

// Lead makes u's settings count. A configuration whose load fails later has started
// all the same; Follow gives the storage back to the one that stays.
func (s *Storage) Lead(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = append(s.users, u)
	s.apply(u)
}

func (s *Storage) apply(u User) {
	s.log.Use(u.Log().Handler())
	if d := u.Place().Database; d != nil {
		s.database.Store(d)
	}
	s.Store.Tune(u.Settings())
}

// Follow ends u's part, and returns the user whose settings count again because u,
// the newest, has gone before it; else nil.
func (s *Storage) Follow(u User) User {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := len(s.users) > 0 && s.users[len(s.users)-1] == u
	s.users = slices.DeleteFunc(s.users, func(o User) bool { return o == u })
	if !newest || len(s.users) == 0 {
		return nil
	}
	back := s.users[len(s.users)-1]
	s.apply(back)
	return back
}

// DeliveryEnded notes that a delivery of an event has ended in this process.
func (s *Storage) DeliveryEnded(seq int64) { s.ended.Notify(seq) }

// OnDeliveryEnded has f, which must not block, called with the number of each event of which a
// delivery has ended in this process, until stop.
func (s *Storage) OnDeliveryEnded(f func(seq int64)) (stop func()) { return s.ended.Add(f) }

// expired reports a dead letter that retention has made to the newest user.
func (s *Storage) expired(d spool.Delivery, reason string) {
	s.mu.Lock()
	var newest User
	if n := len(s.users); n > 0 {
		newest = s.users[n-1]
	}
	s.mu.Unlock()
	if newest != nil {
		newest.Expired(d, reason)
	}
}

// Destruct closes the store after the last user has gone. Caddy's usage pools call it
// by this name.
func (s *Storage) Destruct() error {
	s.Gate.Close()
	if err := s.Store.Close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// Began notes a dispatcher that delivers from the store.
func (s *Storage) Began(d *deliver.Dispatcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[d] = true
}

// Ended notes that a dispatcher has been drained.
func (s *Storage) Ended(d *deliver.Dispatcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[d] {
		s.lost += d.LeasesLost()
	}
	delete(s.live, d)
}

// LeasesLost counts the leases that dispatchers have lost since the store was opened.
func (s *Storage) LeasesLost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.lost
	for d := range s.live {
		n += d.LeasesLost()
	}
	return n
}

// Drain waits up to grace for the running attempts of every dispatcher, then cancels
// them and gives their leases back.
func (s *Storage) Drain(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	s.mu.Lock()
	live := make([]*deliver.Dispatcher, 0, len(s.live))
	for d := range s.live {
		live = append(live, d)
	}
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, d := range live {
		wg.Go(func() {
			d.Stop()
			_ = d.Drain(ctx) // The end of grace is no error: it is the plan.
		})
	}
	wg.Wait()
}
