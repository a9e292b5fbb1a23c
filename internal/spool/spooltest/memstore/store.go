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
	"sync"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

type store struct {
	disk     *disk
	era      int
	settings spool.Settings
	clock    *spool.Clock
	begun    time.Duration // age when this process began
	faults   faults
	process  int64 // a number of its own for each opening

	mu     sync.Mutex // guards the image and the order of writes
	im     *image
	broken bool
	// duplicates counts the copies that the store has caught; mu guards it.
	duplicates int64

	syncing sync.Mutex // held across a sync; mu never is, while all is well

	claiming sync.Mutex
	claims   map[idKey]*claim

	life    sync.Mutex
	closed  bool
	running sync.WaitGroup

	watching sync.Mutex
	watchers map[int]func(spool.RouteKey)
	watchNo  int
	expired  func(spool.Delivery, string) // one is enough for the contract
}

// processes counts openings.
var processes atomic.Int64

func open(d *disk, o spooltest.Options, f faults) (*store, error) {
	s := &store{
		disk: d, process: processes.Add(1), settings: o.Settings.WithDefaults(), faults: f,
		claims: map[idKey]*claim{}, watchers: map[int]func(spool.RouteKey){},
	}
	s.im, s.era = d.load()
	s.clock, s.begun = spool.NewClock(o.Now, s.im.now), s.im.age
	if f[TrustsNoClock] {
		s.clock = spool.NewClock(o.Now, time.Time{})
	}
	// What was read may be in the page cache only.
	if !f[ReopensUnchecked] {
		if err := d.replace(s.era, s.im); err != nil {
			return nil, fmt.Errorf("copying log: %w", err)
		}
	}
	err := s.update(true, func(tx *tx) error {
		tx.named()
		for _, dl := range tx.im.deliveries {
			if dl.state == spool.Running && !f[ForgetsCrash] {
				tx.setDelivery(dl.cutShort(tx.now, "process ended during the attempt"))
			}
		}
		return nil
	})
	if err != nil {
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
	s.life.Lock()
	if s.closed {
		s.life.Unlock()
		return none, spool.ErrClosed
	}
	s.running.Add(1)
	s.life.Unlock()
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
	s.life.Lock()
	already := s.closed
	s.closed = true
	s.life.Unlock()
	s.running.Wait()
	if !already {
		// The time that has passed since the last change.
		_ = s.update(true, func(tx *tx) error {
			tx.put(func(*image) {})
			return nil
		})
	}
	return nil
}

// tx is one transaction: what it changes is seen at once by what follows in
// it, so it decides before it changes.
type tx struct {
	*store
	im      *image
	time    spool.Reading
	now     time.Time
	age     time.Duration
	changes []change
	due     []spool.RouteKey
	expired []delivery
}

func (tx *tx) put(c change) {
	c(tx.im)
	tx.changes = append(tx.changes, c)
}

func (tx *tx) setDelivery(d delivery) {
	tx.put(func(im *image) { im.deliveries[d.number] = d })
	if d.state == spool.Available || d.state == spool.Retrying {
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
		if err := s.sync(); err != nil {
			return err
		}
	}
	s.report(tx.due)
	s.reportExpired(tx.expired)
	return nil
}

func (s *store) write(f func(*tx) error) (*tx, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		if err := s.mend(); err != nil {
			return nil, err
		}
	}
	tx := &tx{store: s, im: s.im, time: s.clock.Read()}
	tx.now, tx.age = tx.time.Now, s.begun+tx.time.Passed
	if s.faults[AgesByTheClock] {
		tx.age = tx.now.Sub(spool.Earliest)
	}
	if err := f(tx); err != nil {
		return nil, err
	}
	if len(tx.changes) > 0 {
		tx.put(func(im *image) { im.now, im.age = tx.now, tx.age })
		if err := s.disk.write(s.era, tx.changes); err != nil {
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
	if err := s.disk.sync(s.era); err != nil {
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
		if err := s.disk.replace(s.era, s.im); err != nil {
			return fmt.Errorf("copying log: %w: %w", spool.ErrUnavailable, err)
		}
	}
	s.broken = false
	return nil
}
