package storage

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/postgres"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

// Place is where a store is kept: in a data directory, which one process has, or in a
// database, which machines share.
type Place struct {
	// Dir is the canonical path of the data directory.
	Dir string
	// Database is where the store is instead; nil for the directory.
	Database *Database
}

// Holds names what is stored, whoever opens it and however: places that hold the same
// have the same events. It has no password and no user.
func (p Place) Holds() string {
	if p.Database == nil {
		return p.Dir
	}
	return p.Database.Key()
}

// Key tells open stores apart. A directory is open once. Of a database each process may
// have several members, so that a reload which changes what a member is, such as its
// durability, opens another one; the former ends with its configuration.
func (p Place) Key() string {
	d := p.Database
	if d == nil {
		return p.Dir
	}
	return fmt.Sprintf("%s %s %d %s", d.Key(), d.Durability, d.Batches, d.Name)
}

// String names the place for people, without a password.
func (p Place) String() string {
	if p.Database == nil {
		return p.Dir
	}
	return p.Database.String()
}

// open opens the engine. A database is waited for until ctx ends.
func (p Place) open(ctx context.Context, s *Storage, settings spool.Settings) (spool.Store, error) {
	log := slog.New(s.log)
	if p.Database == nil {
		return sqlite.Open(p.Dir, sqlite.Options{Log: log, Settings: settings})
	}
	dsn, err := p.Database.DSN()
	if err != nil {
		return nil, err
	}
	return postgres.Open(ctx, dsn, postgres.Options{
		Log: log, Settings: settings, Name: p.Database.Name, Version: p.Database.Version,
		Durability: p.Database.Durability, Batches: p.Database.Batches,
		DSN: s.dsn, Committed: metrics.Process().Commit(), Reset: s.Gate.Forget,
	})
}

// Health returns how the database is that holds the store; ok is false for a directory.
func (s *Storage) Health() (h postgres.Health, ok bool) {
	db, ok := s.Store.(interface{ Health() postgres.Health })
	if !ok {
		return h, false
	}
	return db.Health(), true
}

// Members returns the processes that share the store; nil where it is not shared.
func (s *Storage) Members(ctx context.Context) ([]spool.Member, error) {
	if shared, ok := s.Store.(spool.Shared); ok {
		return shared.Members(ctx)
	}
	return nil, nil
}

// Figures returns what metrics show of the database; nil for a directory.
func (s *Storage) Figures() *metrics.Database {
	h, ok := s.Health()
	if !ok {
		return nil
	}
	return &metrics.Database{
		Members: h.Members, Connections: h.Connections, Standbys: h.Standbys, Ambiguous: h.Ambiguous, Reconnects: h.Reconnects,
		Snapshot: h.OldestSnapshot, Blind: h.Blind, Dead: h.DeadRows, Durability: h.Durability.String(),
	}
}

// Instead returns what PostgreSQL's own tools do in place of one of our commands,
// "backup", "compact" or "check", with the command line; empty for a directory.
func (p Place) Instead(command string) string {
	if p.Database == nil {
		return ""
	}
	return p.Database.Instead(command)
}
