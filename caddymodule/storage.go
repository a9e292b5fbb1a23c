package caddymodule

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

// storages holds what outlives a configuration: one storage a data directory.
// Keyed by path and not by settings, because a reload that changes a setting
// must meet the open store and not its lock.
var storages = caddy.NewUsagePool()

// storage is the process's hold on one data directory.
type storage struct {
	store  spool.Store
	gate   *dedupe.Gate
	slots  *deliver.Slots
	log    *swapHandler
	growth metrics.Growth
	low    atomic.Bool // Short of room, and told so.
	off    atomic.Bool // The machine's clock is off, and told so.

	mu   sync.Mutex
	live map[*deliver.Dispatcher]bool
	lost uint64 // Leases, by dispatchers that have ended.
	apps []*App // Started ones, oldest first: the newest one's settings count.
}

// lead makes a's settings count. A configuration whose load fails later has
// started all the same; follow gives the store back to the one that stays.
func (s *storage) lead(a *App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps = append(s.apps, a)
	s.apply(a)
}

func (s *storage) apply(a *App) {
	s.log.use(a.log.Handler())
	s.store.Tune(a.settings())
}

// follow ends a's part, and returns the app whose settings count again because
// a, the newest, has gone before it.
func (s *storage) follow(a *App) *App {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := len(s.apps) > 0 && s.apps[len(s.apps)-1] == a
	s.apps = slices.DeleteFunc(s.apps, func(o *App) bool { return o == a })
	if !newest || len(s.apps) == 0 {
		return nil
	}
	back := s.apps[len(s.apps)-1]
	s.apply(back)
	return back
}

// expired tells the newest app of a dead letter that retention has made.
func (s *storage) expired(d spool.Delivery, reason string) {
	s.mu.Lock()
	var o *observer
	if n := len(s.apps); n > 0 {
		o = s.apps[n-1].observer
	}
	s.mu.Unlock()
	if o != nil {
		o.expired(d, reason)
	}
}

// openStorage takes a reference to the storage of dir, opening it if needed.
// Each success must be paired with one closeStorage.
func openStorage(dir string, settings spool.Settings, log *slog.Logger) (*storage, error) {
	v, _, err := storages.LoadOrNew(dir, func() (caddy.Destructor, error) {
		// A pooled object keeps nothing of one configuration: the logger is
		// handed over at each start.
		swap := &swapHandler{shared: new(sharedHandler)}
		swap.use(log.Handler())
		gate, err := dedupe.NewGate(dedupe.GateOptions{})
		if err != nil {
			return nil, fmt.Errorf("making the gate: %w", err)
		}
		store, err := sqlite.Open(dir, sqlite.Options{Log: slog.New(swap), Settings: settings})
		if err != nil {
			gate.Close()
			return nil, err
		}
		st := &storage{
			store: store,
			gate:  gate,
			slots: deliver.NewSlots(),
			log:   swap,
			live:  make(map[*deliver.Dispatcher]bool),
		}
		st.store.OnExpired(st.expired) // For the store's life: two configurations would count twice.
		return st, nil
	})
	if err != nil {
		return nil, fmt.Errorf("opening the store in %s: %w", dir, err)
	}
	return v.(*storage), nil
}

func closeStorage(dir string) error {
	_, err := storages.Delete(dir)
	return err
}

// Destruct ends the storage after its last user has gone.
func (s *storage) Destruct() error {
	s.gate.Close()
	if err := s.store.Close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

func (s *storage) began(d *deliver.Dispatcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[d] = true
}

func (s *storage) ended(d *deliver.Dispatcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[d] {
		s.lost += d.LeasesLost()
	}
	delete(s.live, d)
}

// leasesLost counts those of every generation.
func (s *storage) leasesLost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.lost
	for d := range s.live {
		n += d.LeasesLost()
	}
	return n
}

// drain waits up to grace for the running attempts of every generation, then
// cancels them and gives their leases back.
func (s *storage) drain(grace time.Duration) {
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
