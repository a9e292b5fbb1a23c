// Package memstore is a spool.Store of teaching size on a modelled disk. It
// shows that the contract can be kept by straight code, and it carries the
// faults by which spooltest shows that it sees them.
//
// Guarantee: it passes spooltest.Run. Limits: every call looks at every row,
// and nothing outlives the process.
package memstore

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

type store struct {
	*server
	// life ends with the process.
	life    *process
	begun   time.Duration // age when this process began
	began   time.Time
	process int64 // a number of its own for each opening

	// mu of the server guards what follows, up to the space.

	settings spool.Settings
	// duplicates counts the copies that the store has caught, fences the leases that it
	// has given.
	duplicates, fences int64
	// serves are the routes of each owner and source, holds those that this process
	// found to be down.
	serves map[spool.Owner]map[string][]spool.RouteKey
	holds  map[int64]*spool.Hold
	// gone reports that the process was killed, and seen is the age at which.
	gone bool
	seen time.Duration
	// ownClaims and oldMarks are for the faults that use them.
	ownClaims map[idKey]*claim
	oldMarks  map[string]time.Time

	closing sync.Mutex
	closed  bool
	running sync.WaitGroup

	watching sync.Mutex
	watchers map[int]func(spool.RouteKey)
	watchNo  int
	expired  func(spool.Delivery, string) // one is enough for the contract
}

// processes counts openings.
var processes atomic.Int64

// open begins a process on a server. Where it is the first one, what the server has read
// may be in the page cache only. Where others may join, a delivery that runs may be run by
// another: its lease says so.
func open(v *server, o spooltest.Options, first bool) (*store, error) {
	s := &store{
		server: v, life: newProcess(), process: processes.Add(1), settings: o.Settings.WithDefaults(),
		ownClaims: map[idKey]*claim{},
		serves:    map[spool.Owner]map[string][]spool.RouteKey{}, holds: map[int64]*spool.Hold{},
		watchers: map[int]func(spool.RouteKey){},
	}
	if first && !v.faults[ReopensUnchecked] {
		if err := v.disk.replace(s.life, v.im); err != nil {
			return nil, fmt.Errorf("copying log: %w", err)
		}
	}
	err := s.update(true, func(tx *tx) error {
		tx.named()
		s.begun, s.began, s.oldMarks = tx.age, tx.now, maps.Clone(tx.im.marks)
		s.members = append(s.members, s)
		for _, dl := range tx.im.deliveries {
			if dl.state == spool.Running && !s.faults[ForgetsCrash] && (!s.shared || s.faults[TakesBack]) {
				tx.setDelivery(dl.cutShort(tx.now, "process ended during the attempt"))
			}
		}
		return nil
	})
	if err != nil {
		s.kill()
		return nil, fmt.Errorf("recovering deliveries: %w", err)
	}
	return s, nil
}

// do runs f to its end, and waits for it as long as ctx lasts.
func do[T any](ctx context.Context, s *store, f func() (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	s.closing.Lock()
	if s.closed {
		s.closing.Unlock()
		return none, spool.ErrClosed
	}
	s.running.Add(1)
	s.closing.Unlock()
	type answer struct {
		v   T
		err error
	}
	c := make(chan answer, 1)
	go func() {
		defer s.running.Done()
		v, err := f()
		c <- answer{v, err}
	}()
	select {
	case a := <-c:
		return a.v, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

func (s *store) Tune(o spool.Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = o.WithDefaults()
}

func (s *store) Close() error {
	s.closing.Lock()
	already := s.closed
	s.closed = true
	s.closing.Unlock()
	s.running.Wait()
	if !already {
		// The time that has passed since the last change.
		_ = s.update(true, func(tx *tx) error {
			tx.put(func(*image) {})
			return nil
		})
		s.mu.Lock()
		defer s.mu.Unlock()
		s.leave(s, true)
	}
	return nil
}

// tx is one transaction: what it changes is seen at once by what follows in
// it, so it decides before it changes.
type tx struct {
	*store
	im       *image
	settings spool.Settings // in force
	time     spool.Reading
	now      time.Time
	age      time.Duration
	changes  []change
	due      []spool.RouteKey
	expired  []delivery
	made     int64 // the number of an event, 0 for none
}

func (tx *tx) put(c change) {
	c(tx.im)
	tx.changes = append(tx.changes, c)
}

func (tx *tx) setDelivery(d delivery) {
	tx.put(func(im *image) { im.deliveries[d.number] = d })
	if !d.behind && (d.state == spool.Available || d.state == spool.Retrying) {
		tx.due = append(tx.due, tx.im.queues[d.queue].key)
	}
}

// update commits f's changes and, unless they may be lost by a power cut, does
// not return before they are durable.
func (s *store) update(synced bool, f func(*tx) error) error {
	tx, err := s.write(f)
	if err != nil {
		return err
	}
	if len(tx.changes) > 0 && synced && !s.faults[AnswersBeforeSync] {
		err = s.sync()
	}
	if s.show(tx.made); err != nil {
		return err
	}
	s.tell(tx.due, tx.expired)
	return nil
}

func (s *store) write(f func(*tx) error) (*tx, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil, fmt.Errorf("writing log: %w: %w", spool.ErrUnavailable, errMedium)
	}
	if s.broken {
		if err := s.mend(); err != nil {
			return nil, err
		}
	}
	tx := &tx{store: s, im: s.im, settings: s.inForce(), time: s.clock.Read()}
	tx.now, tx.age = tx.time.Now, s.base+tx.time.Passed
	if s.faults[AgesByTheClock] {
		tx.age = tx.now.Sub(spool.Earliest)
	}
	if err := f(tx); err != nil {
		return nil, err
	}
	if len(tx.changes) > 0 {
		tx.put(func(im *image) { im.now, im.age = tx.now, tx.age })
		if err := s.disk.write(s.life, tx.changes); err != nil {
			s.broken = true
			return nil, fmt.Errorf("writing log: %w: %w", spool.ErrUnavailable, err)
		}
	}
	return tx, nil
}

func (s *store) sync() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	broken := s.broken
	s.mu.Unlock()
	// The sync that failed may have been the one for these changes.
	if broken {
		return fmt.Errorf("syncing log: %w", spool.ErrUnavailable)
	}
	if err := s.disk.sync(s.life); err != nil {
		s.mu.Lock()
		s.broken = true
		s.mu.Unlock()
		return fmt.Errorf("syncing log: %w: %w", spool.ErrUnavailable, err)
	}
	return nil
}

// mend follows a failed sync. The lost changes are still in the image, and
// only writing them again makes them durable.
func (s *store) mend() error {
	if !s.faults[TrustsLaterSyncs] {
		if err := s.disk.replace(s.life, s.im); err != nil {
			return fmt.Errorf("copying log: %w: %w", spool.ErrUnavailable, err)
		}
	}
	s.broken = false
	return nil
}
