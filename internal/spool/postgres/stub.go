package postgres

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// STUB: dropped at the merge.

type Durability uint8

const (
	Local Durability = iota
	Replica
)

func (d Durability) String() string {
	if d == Replica {
		return "replica"
	}
	return "local"
}

type Options struct {
	Now           func() time.Time
	Log           *slog.Logger
	Settings      spool.Settings
	Name, Version string
	Durability    Durability
	Batches       int
	DSN           func() (string, error)
	Reset         func()
	Committed     func(time.Duration)
}

type Health struct {
	Version               string
	Schema                int
	Standbys              int
	Synchronous           bool
	Connections           int
	Ambiguous, Reconnects uint64
	OldestSnapshot        time.Duration
	DeadRows              int64
	Durability            Durability
	Batches               int
	HeldHere              int
}

type Store struct {
	spool.Store
	o Options
}

func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	return nil, errors.New("the engine is not there yet")
}

func Migrate(ctx context.Context, dsn string) (from, to int, err error) {
	return 0, 0, errors.New("the engine is not there yet")
}

func (s *Store) Members(ctx context.Context) ([]spool.Member, error) { return nil, nil }
func (s *Store) Live(k spool.RouteKey) int                           { return 1 }
func (s *Store) Health() Health                                      { return Health{} }
func (s *Store) Target() Target                                      { return Target{} }
