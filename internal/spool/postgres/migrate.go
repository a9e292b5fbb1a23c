package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The tables are changed while members of the former version use them. A column without a
// default is there at once, but for that the table must be free for a moment: nobody is
// kept waiting for it for longer than lockWithin. An index of a large table is made beside
// its writers, which no transaction can do: so the version is written when all are there,
// and meanwhile another session keeps its row.

const (
	// lockWithin is for how long a table is waited for, with all others behind; lockPause
	// is how long they then have for themselves.
	lockWithin = `200ms`
	lockPause  = 2 * time.Second
	// othersPause is how long another process that takes the step is given.
	othersPause = 100 * time.Millisecond
	// atOnce is up to how many bytes a table is so small that an index of it is made
	// in a moment.
	atOnce = 64 << 20
)

// index is one that a step makes.
type index struct{ name, on string }

// step is one version of the schema. A step only adds, so that programs that know the
// version before go on beside those that know this one: both run during an upgrade.
// What removes something has to wait until the lowest version that a live member knows
// is above the one that used it.
type step struct {
	sql string
	// indexes are made of the large table, which is there from the first step on.
	indexes []index
}

// steps lead from an empty schema to the present version, which is their number.
var steps = []step{
	{sql: firstSchema},
	{sql: orderSchema, indexes: []index{ // Of the head of a key, what is behind of a route, and the next of a key.
		{"heads", `@.deliveries (key, route) WHERE key IS NOT NULL AND state IN (1, 2, 3, 6)`},
		{"behind", `@.deliveries (route, number) WHERE state = 8`},
		{"nexts", `@.deliveries (key, route, number) WHERE state = 8`},
	}},
}

// changeTables takes the step behind a version above 0, unless another process does or
// has, and returns the version then.
func (s *Store) changeTables(ctx context.Context, version int) (int, error) {
	guard, err := s.calls.dialOnce(ctx)
	if err != nil {
		return version, err
	}
	defer func() { _ = guard.Close(context.WithoutCancel(ctx)) }()
	mine, now, err := s.keepVersion(ctx, guard)
	if err != nil {
		return version, err
	}
	pause := othersPause
	if mine {
		if now != version {
			return now, nil
		}
		if err = s.takeNext(ctx, guard, steps[version]); err == nil {
			return version + 1, nil
		}
		if !isLockTimeout(err) {
			return version, err
		}
		pause = lockPause
		err = fmt.Errorf("a transaction uses the table for long: %w", err)
	}
	_ = guard.Close(context.WithoutCancel(ctx)) // So that the row is free.
	select {
	case <-time.After(pause):
		return version, nil
	case <-ctx.Done():
		return version, errors.Join(ctx.Err(), err)
	}
}

// isLockTimeout reports whether a lock was not to be had in time.
func isLockTimeout(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && pe.Code == "55P03"
}

// keepVersion begins a transaction that keeps the row of the version, unless another has
// it. It is sent so that no snapshot stays open: whoever makes an index waits for those.
func (s *Store) keepVersion(ctx context.Context, guard *pgx.Conn) (mine bool, version int, err error) {
	_, err = guard.Exec(ctx, s.sql(`BEGIN; SET LOCAL idle_in_transaction_session_timeout=0; SET LOCAL statement_timeout=0; SELECT FROM @.meta WHERE name='schema' FOR UPDATE NOWAIT`), pgx.QueryExecModeSimpleProtocol)
	if isLockTimeout(err) {
		return false, 0, nil
	}
	if err != nil {
		return false, 0, err
	}
	err = guard.QueryRow(ctx, s.sql(`SELECT value FROM @.meta WHERE name='schema'`), pgx.QueryExecModeSimpleProtocol).Scan(&version)
	return err == nil, version, err
}

// takeNext takes a step while guard keeps the row of the version.
func (s *Store) takeNext(ctx context.Context, guard *pgx.Conn, next step) error {
	var size int64
	if err := guard.QueryRow(ctx, `SELECT pg_relation_size($1::regclass)`, pgx.QueryExecModeSimpleProtocol, s.target.Schema+".deliveries").Scan(&size); err != nil {
		return err
	}
	columns := `SET LOCAL lock_timeout='` + lockWithin + `'; ` + next.sql
	const written = `UPDATE @.meta SET value=value+1 WHERE name='schema'; COMMIT`
	if size <= s.o.atOnce {
		for _, x := range next.indexes {
			columns += `; CREATE INDEX IF NOT EXISTS ` + x.name + ` ON ` + x.on
		}
		return s.execute(ctx, guard, columns+`; `+written)
	}
	if err := s.execute(ctx, s.calls.c, `BEGIN; `+columns+`; COMMIT`); err != nil {
		_, _ = s.calls.c.Exec(ctx, `ROLLBACK`)
		return err
	}
	for _, x := range next.indexes {
		if err := s.makeBeside(ctx, s.calls.c, x); err != nil {
			return fmt.Errorf("making the index %s: %w", x.name, err)
		}
	}
	return s.execute(ctx, guard, written)
}

// execute runs statements.
func (s *Store) execute(ctx context.Context, c *pgx.Conn, sql string) error {
	_, err := c.Exec(ctx, s.sql(sql), pgx.QueryExecModeSimpleProtocol)
	return err
}

// makeBeside makes an index beside the writers of its table. One that a process has left
// half made, which died, is made anew.
func (s *Store) makeBeside(ctx context.Context, c *pgx.Conn, x index) error {
	var whole *bool
	err := c.QueryRow(ctx, `SELECT (SELECT indisvalid FROM pg_index WHERE indexrelid=to_regclass($1))`, pgx.QueryExecModeSimpleProtocol, s.target.Schema+"."+x.name).Scan(&whole)
	if err != nil || whole != nil && *whole {
		return err
	}
	if whole != nil {
		if err := s.execute(ctx, c, `DROP INDEX CONCURRENTLY IF EXISTS @.`+x.name); err != nil {
			return err
		}
	}
	return s.execute(ctx, c, `CREATE INDEX CONCURRENTLY `+x.name+` ON `+x.on)
}
