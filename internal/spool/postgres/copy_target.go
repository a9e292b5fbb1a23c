package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// CopyTarget is a store that is being made of the rows of another. Members can open it
// once Finish has returned. Until then it is read as a CopySource is.
type CopyTarget struct {
	*CopySource
	// guard is the connection that keeps members and other copies away.
	guard *CopySource
}

// tables are those that a copy fills, and those of members that are gone.
const tables = `@.events, @.deliveries, @.ids, @.quarantine, @.sources, @.routes, @.names, @.holds, @.counts, @.chores`

// NewCopyTarget begins to fill the store that a DSN leads to, which must be empty: its
// tables are made where the role may. What a copy that broke off has left is removed.
func NewCopyTarget(ctx context.Context, dsn string) (*CopyTarget, error) {
	if _, _, err := Migrate(ctx, dsn, Options{}); err != nil {
		return nil, err
	}
	guard, err := connectCopy(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("making store: %w", err)
	}
	t := &CopyTarget{guard: guard}
	if err := t.begin(ctx, dsn); err != nil {
		_ = t.Close()
		return nil, fmt.Errorf("making store %s: %w", guard.target, err)
	}
	return t, nil
}

// begin keeps others away, and makes the tables empty.
func (t *CopyTarget) begin(ctx context.Context, dsn string) (err error) {
	// Rows of members that are gone would have an age of their own.
	for _, sql := range []string{`DELETE FROM @.members; COMMIT`, ``} {
		if _, err := t.guard.c.Exec(ctx, `BEGIN`); err != nil {
			return err
		}
		if err := t.guard.lock(ctx); err != nil {
			return err
		}
		if sql == "" {
			break // The lock is held until the end.
		}
		if _, err := t.guard.c.Exec(ctx, t.guard.sql(sql), pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	if t.CopySource, err = connectCopy(ctx, dsn); err != nil {
		return err
	}
	if _, err := t.c.Exec(ctx, `SET statement_timeout=0; SET synchronous_commit=off`, pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	var copying, used bool
	err = t.c.QueryRow(ctx, t.sql(`SELECT EXISTS (SELECT FROM @.meta WHERE name='copying'),
		EXISTS (SELECT FROM @.events) OR EXISTS (SELECT FROM @.ids) OR EXISTS (SELECT FROM @.quarantine) OR EXISTS (SELECT FROM @.deliveries) OR EXISTS (SELECT FROM @.sources WHERE watermark>$1)`),
		int64(math.MinInt64)).Scan(&copying, &used)
	switch {
	case err != nil:
		return err
	case used && !copying:
		return errors.New("there are events or ids in it: copy into an empty one, such as another schema (search_path in the URL)")
	}
	// The mark is on the disk before the first row, so that no crash leaves rows without it.
	if _, err := t.c.Exec(ctx, t.sql(`BEGIN; SET LOCAL synchronous_commit=on; INSERT INTO @.meta VALUES ('copying', 1) ON CONFLICT DO NOTHING; COMMIT`), pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	return t.empty(ctx)
}

// empty empties the tables. TRUNCATE is at once, and needs a right that members have not.
func (t *CopyTarget) empty(ctx context.Context) error {
	var may bool
	if err := t.c.QueryRow(ctx, `SELECT has_table_privilege($1, 'TRUNCATE')`, t.target.Schema+".events").Scan(&may); err != nil {
		return err
	}
	if may {
		_, err := t.c.Exec(ctx, t.sql(`TRUNCATE `+tables))
		return err
	}
	for _, table := range []string{"events", "deliveries", "ids", "quarantine", "sources", "routes", "names", "holds", "counts", "chores"} {
		if _, err := t.c.Exec(ctx, t.sql(`DELETE FROM @.`+table)); err != nil {
			return err
		}
	}
	return nil
}

// put writes rows to a table.
func put[T any](ctx context.Context, t *CopyTarget, table string, columns []string, rows []T, values func(T) []any) error {
	_, err := t.c.CopyFrom(ctx, pgx.Identifier{t.target.Schema, table}, columns, pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) { return values(rows[i]), nil }))
	return err
}

// PutHead writes what is not a row of the large tables.
func (t *CopyTarget) PutHead(ctx context.Context, h record.Head) error {
	err1 := put(ctx, t, "sources", []string{"source", "name", "watermark", "newest"}, h.Sources, func(r record.SourceRow) []any {
		return []any{r.Source, r.Name, r.Watermark, r.Newest}
	})
	err2 := put(ctx, t, "routes", []string{"route", "source", "name", "merged"}, h.Routes, func(r record.RouteRow) []any {
		return []any{r.Route, r.Source, r.Name, r.Merged}
	})
	err3 := put(ctx, t, "names", []string{"source", "name", "route"}, h.Names, func(r record.NameRow) []any {
		return []any{r.Source, r.Name, r.Route}
	})
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	last := h.Last // Sources and routes have their numbers from the same sequence here.
	for _, r := range h.Routes {
		last = max(last, r.Route)
		if r.Hold != "" {
			if _, err := t.c.Exec(ctx, t.sql(`INSERT INTO @.holds VALUES ($1, 0, $2)`), r.Route, r.Hold); err != nil {
				return err
			}
		}
	}
	for _, r := range h.Sources {
		last = max(last, r.Source)
	}
	if _, err := t.c.Exec(ctx, t.sql(`SELECT setval('@.numbers', $1)`), max(last, 1)); err != nil {
		return err
	}
	for name, v := range map[string]int64{"identity": h.Identity, "age": h.Age, "now": h.Now} {
		if _, err := t.c.Exec(ctx, t.sql(`INSERT INTO @.meta VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value=excluded.value`), name, v); err != nil {
			return err
		}
	}
	return nil
}

// PutEvents writes events.
func (t *CopyTarget) PutEvents(ctx context.Context, all []record.EventRow) error {
	return put(ctx, t, "events", eventColumns, all, func(r record.EventRow) []any {
		return []any{r.Seq, r.At, r.Source, r.ID, r.Type, r.Head, r.Body}
	})
}

// PutDeliveries writes deliveries.
func (t *CopyTarget) PutDeliveries(ctx context.Context, all []record.DeliveryRow) error {
	return put(ctx, t, "deliveries", deliveryColumns, all, func(r record.DeliveryRow) []any {
		return []any{r.Number, r.Route, nullIfZero(r.Key), r.State, r.Attempts, r.Replay, r.Due, r.Ended, r.Reason, r.Log}
	})
}

// nullIfZero returns what stands for a key, and for none, in a row.
func nullIfZero(key int64) *int64 {
	if key == 0 {
		return nil
	}
	return &key
}

// PutIDs writes ids.
func (t *CopyTarget) PutIDs(ctx context.Context, all []record.IDRow) error {
	return put(ctx, t, "ids", append([]string{"tag"}, idColumns...), all, func(r record.IDRow) []any {
		return []any{int64(0), r.Source, r.ID, r.Digest, r.Seq, r.Created, r.Base, r.Conflicts}
	})
}

// FlushIDs has nothing to do: every PutIDs has written all.
func (t *CopyTarget) FlushIDs(context.Context) error { return nil }

// PutOdd writes entries of quarantine.
func (t *CopyTarget) PutOdd(ctx context.Context, all []record.OddRow) error {
	return put(ctx, t, "quarantine", oddColumns, all, func(r record.OddRow) []any {
		return []any{r.Number, r.At, r.Source, r.Reason, r.Copies, r.Size, r.Digest, r.ID, r.Type, r.Head, r.Body}
	})
}

// countAll counts what is kept, as member 0.
const countAll = `INSERT INTO @.counts SELECT route, 0, 0, count(*) FILTER (WHERE state IN (1,3,6,8)), count(*) FILTER (WHERE state=2), count(*) FILTER (WHERE state=5) FROM @.deliveries GROUP BY route
	UNION ALL SELECT -1, 0, 0, count(*), coalesce(sum(octet_length(head)+octet_length(body)),0)+count(*)*400, (SELECT count(*) FROM @.ids) FROM @.events
	UNION ALL SELECT 0, 0, 0, count(*), coalesce(sum(size),0), 0 FROM @.quarantine`

// Finish makes it a store that members can open. What was written before is flushed with
// it.
func (t *CopyTarget) Finish(ctx context.Context) error {
	if err := t.finish(ctx); err != nil {
		return errors.Join(fmt.Errorf("ending copy: %w", err), t.Close())
	}
	return t.Close()
}

func (t *CopyTarget) finish(ctx context.Context) error {
	if _, err := t.c.Exec(ctx, t.sql(`ANALYZE `+tables)); err != nil {
		return err
	}
	// The guard's transaction still keeps others away; it ends with nothing changed.
	if _, err := t.guard.c.Exec(ctx, `SELECT 1`); err != nil {
		return fmt.Errorf("the connection that kept others away is lost: %w", err)
	}
	tx, err := t.c.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	for _, sql := range []string{`SET LOCAL synchronous_commit=on`, countAll, bump, `DELETE FROM @.meta WHERE name='copying'`} {
		if _, err := tx.Exec(ctx, t.sql(sql)); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

// Close gives a copy up that was not finished. It stays marked as one that broke off.
func (t *CopyTarget) Close() error {
	if t.CopySource != nil {
		_ = t.CopySource.Close()
	}
	return t.guard.Close()
}
