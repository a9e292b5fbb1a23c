package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

// Leave checks that a reload may leave this store for the one at next. It refuses while
// deliveries wait here that no other member would bring: they would reach no app, and
// without the ids an event could be accepted twice.
func (s *Storage) Leave(ctx context.Context, next Place, log *slog.Logger) error {
	states, err := s.Store.Routes(ctx)
	if err != nil {
		return fmt.Errorf("the store changes from %s to %s, and what waits in the former cannot be counted: %w: reload with the former one, or stop inboxgate, move or copy the store, and start", s.Place, next, err)
	}
	members, _ := s.Members(ctx)
	for _, m := range members {
		if m.Live && !m.Here {
			log.Warn("the store has changed: others go on with the former one, and an event that it knows is accepted again here", "former", s.Place.String(), "store", next.String())
			return nil
		}
	}
	if n := waitingIn(states); n > 0 {
		return fmt.Errorf("the store changes from %s to %s while %d deliveries wait in the former: they would reach no app, and its ids would be forgotten. Reload when none waits (`routes list` shows them), or stop inboxgate, move or copy the store, and start",
			s.Place, next, n)
	}
	log.Warn("the store has changed: the former one stays where it is, and an event that it knows is accepted again", "former", s.Place.String(), "store", next.String(), "deliveries", 0)
	return nil
}

// waitingIn counts the deliveries that no app has taken yet.
func waitingIn(states []spool.RouteState) (n int64) {
	for _, s := range states {
		n += s.Waiting + s.Running
	}
	return n
}

// WarnLeft warns of a store in the data directory, where the place is a database: it
// has events and ids of its own.
func (p Place) WarnLeft(ctx context.Context, log *slog.Logger) {
	if p.Database == nil {
		return
	}
	switch left, err := LeftIn(ctx, p.Dir); {
	case errors.Is(err, sqlite.ErrInUse): // A reload has left it: see Leave.
	case err != nil:
		log.Warn("data_dir holds a store that cannot be read; nothing of it is delivered", "data_dir", p.Dir, "error", err)
	case left != Left{}:
		log.Warn("data_dir holds a store of its own, which stays behind: what waits there is not delivered, and its ids are not known to the database; copy it with `inboxgate store copy`",
			"data_dir", p.Dir, "events", left.Events, "more", left.More, "waiting", left.Waiting)
	}
}

// Left is what a data directory holds that another place does not.
type Left struct {
	// Events counts those in the log, Waiting the deliveries that no app has taken yet.
	Events, Waiting int64
	// More reports that there are more events than were counted.
	More bool
}

// LeftIn counts what is in the store of a data directory, while no process has it. A
// directory without a store holds nothing.
func LeftIn(ctx context.Context, dir string) (left Left, err error) {
	if _, err := os.Stat(filepath.Join(dir, "spool.db")); errors.Is(err, fs.ErrNotExist) {
		return left, nil
	}
	still, err := sqlite.OpenOffline(dir)
	if err != nil {
		return left, err
	}
	defer still.Close()
	states, err := still.Routes(ctx)
	if err != nil {
		return left, fmt.Errorf("listing its routes: %w", err)
	}
	left.Waiting = waitingIn(states)
	n, err := spool.CountRecords(ctx, still, spool.Query{}, time.Second)
	if err != nil {
		return left, fmt.Errorf("counting its events: %w", err)
	}
	left.Events, left.More = n.N, n.Partial
	return left, nil
}
