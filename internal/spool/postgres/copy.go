package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// errCopying is why a store that is being made of another's rows cannot be opened.
var errCopying = fmt.Errorf("%w: a copy into it broke off, or is under way: run `inboxgate store copy` again, which begins anew", errSetUp)

// ErrInUse says that members have the store open, or that a copy is under way: what is
// read then need not be what is stored.
var ErrInUse = errors.New("the store is in use")

// refuseCopying refuses a store into which a copy is not ended.
func (s *Store) refuseCopying(ctx context.Context) error {
	copying := false
	err := s.calls.run(ctx, true, func() *trip {
		t := s.relaxedly()
		t.do(`SELECT EXISTS (SELECT FROM @.meta WHERE name='copying')`).QueryRow(func(row pgx.Row) error { return row.Scan(&copying) })
		return t
	})
	if err == nil && copying {
		err = errCopying
	}
	return err
}

// CopySource is a store that no member has open, read row by row: in one transaction,
// which keeps members from beginning.
type CopySource struct {
	c      *pgx.Conn
	target Target
	sql    func(string) string
}

// copyLock keeps members, and other copies, from beginning while it is held: they write
// to the table. A member that beats has it for a moment.
const copyLock = `SET LOCAL lock_timeout='5s'; SET LOCAL statement_timeout=0; SET LOCAL idle_in_transaction_session_timeout=0; LOCK TABLE @.members IN EXCLUSIVE MODE`

// liveMembers are those that were heard of in the last minute: their names.
const liveMembers = `SELECT coalesce(string_agg(name, ', ' ORDER BY member), '') FROM @.members WHERE seen>(extract(epoch FROM clock_timestamp())*1000000000)::bigint-$1`

// connectCopy connects to where a DSN leads, for a copy.
func connectCopy(ctx context.Context, dsn string) (*CopySource, error) {
	cfg, target, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	s := &Store{target: target}
	cfg.RuntimeParams["application_name"] = "inboxgate store copy"
	cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoConnection, withoutSecrets(err, cfg))
	}
	return &CopySource{c: c, target: target, sql: s.sql}, nil
}

// OpenCopySource opens the store that a DSN leads to. It fails with ErrInUse where a
// member was heard of in the last minute.
func OpenCopySource(ctx context.Context, dsn string) (*CopySource, error) {
	s, err := connectCopy(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("reading store: %w", err)
	}
	if err := s.begin(ctx); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("reading store %s: %w", s.target, err)
	}
	return s, nil
}

// begin begins the transaction of a source.
func (s *CopySource) begin(ctx context.Context) error {
	o := &Store{target: s.target}
	version, err := o.version(ctx, s.c)
	switch {
	case err != nil:
		return err
	case version == 0:
		return errors.New("there is no store")
	case version != schemaVersion():
		return fmt.Errorf("its tables are of version %d, this program knows %d: bring it up to date with `inboxgate store migrate`", version, schemaVersion())
	}
	// The lock comes first: the snapshot is taken by the statement behind it.
	if _, err := s.c.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ`); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	copying := false
	if err := s.c.QueryRow(ctx, s.sql(`SELECT EXISTS (SELECT FROM @.meta WHERE name='copying')`)).Scan(&copying); err != nil {
		return err
	}
	if copying {
		return errCopying
	}
	return nil
}

// lock takes copyLock in the transaction that has begun, and refuses a store with live
// members.
func (s *CopySource) lock(ctx context.Context) error {
	if _, err := s.c.Exec(ctx, s.sql(copyLock), pgx.QueryExecModeSimpleProtocol); err != nil {
		var pe *pgconn.PgError
		if errors.As(err, &pe) && pe.Code == "55P03" {
			return fmt.Errorf("%w: another copy is under way, or a process begins", ErrInUse)
		}
		return err
	}
	var names string
	if err := s.c.QueryRow(ctx, s.sql(liveMembers), int64(memberTimeout)).Scan(&names); err != nil {
		return err
	}
	if names != "" {
		return fmt.Errorf("%w by %s: stop them; one that was killed is waited for by others for %v", ErrInUse, names, memberTimeout)
	}
	return nil
}

// Close lets members begin again.
func (s *CopySource) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return s.c.Close(ctx)
}

// query runs f on each row of a query.
func (s *CopySource) query(ctx context.Context, sql string, f func(rows pgx.Rows) error) error {
	rows, err := s.c.Query(ctx, s.sql(sql))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Head reads what is not a row of the large tables.
func (s *CopySource) Head(ctx context.Context) (h record.Head, err error) {
	err = s.c.QueryRow(ctx, s.sql(`SELECT (SELECT value FROM @.meta WHERE name='identity'), `+storedAge+`, `+storedNow+`, (`+lastNumber+`)`)).
		Scan(&h.Identity, &h.Age, &h.Now, &h.Last)
	if err != nil {
		return h, err
	}
	err1 := s.query(ctx, `SELECT source, name, watermark, newest FROM @.sources ORDER BY source`, func(rows pgx.Rows) error {
		var r record.SourceRow
		defer func() { h.Sources = append(h.Sources, r) }()
		return rows.Scan(&r.Source, &r.Name, &r.Watermark, &r.Newest)
	})
	err2 := s.query(ctx, `SELECT route, source, name, merged, coalesce((SELECT hold FROM @.holds h WHERE h.route=r.route AND member=0 AND merged=0), '') FROM @.routes r ORDER BY route`, func(rows pgx.Rows) error {
		var r record.RouteRow
		if err := rows.Scan(&r.Route, &r.Source, &r.Name, &r.Merged, &r.Hold); err != nil {
			return err
		}
		var err error
		r.Hold, err = canonicalHold(r.Hold)
		h.Routes = append(h.Routes, r)
		return err
	})
	err3 := s.query(ctx, `SELECT source, name, route FROM @.names ORDER BY source, name`, func(rows pgx.Rows) error {
		var r record.NameRow
		defer func() { h.Names = append(h.Names, r) }()
		return rows.Scan(&r.Source, &r.Name, &r.Route)
	})
	return h, errors.Join(err1, err2, err3)
}

// canonicalHold writes a hold as this program does.
func canonicalHold(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var h spool.Hold
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return "", err
	}
	b, err := json.Marshal(h)
	return string(b), err
}

// Counts counts the rows.
func (s *CopySource) Counts(ctx context.Context) (n record.Counts, err error) {
	err = s.c.QueryRow(ctx, s.sql(`SELECT (SELECT count(*) FROM @.events), (SELECT count(*) FROM @.deliveries), (SELECT count(*) FROM @.ids), (SELECT count(*) FROM @.quarantine)`)).
		Scan(&n.Events, &n.Deliveries, &n.IDs, &n.Odd)
	return n, err
}

// Columns of the large tables, in the order of the rows of package record.
var (
	eventColumns    = []string{"seq", "at", "source", "id", "type", "head", "body"}
	deliveryColumns = []string{"number", "route", "key", "state", "attempts", "replay", "due", "ended", "reason", "log"}
	idColumns       = []string{"source", "id", "digest", "seq", "created", "base", "conflicts"}
	oddColumns      = []string{"number", "at", "source", "reason", "copies", "size", "digest", "id", "type", "head", "body"}
)

// all selects the columns of a table.
func all(columns []string, table, order string) string {
	return `SELECT ` + strings.Join(columns, ", ") + ` FROM @.` + table + ` ORDER BY ` + order
}

// Events runs f on each event, in the order of their numbers.
func (s *CopySource) Events(ctx context.Context, f func(record.EventRow) error) error {
	return s.query(ctx, all(eventColumns, "events", "seq"), func(rows pgx.Rows) error {
		var r record.EventRow
		if err := rows.Scan(&r.Seq, &r.At, &r.Source, &r.ID, &r.Type, &r.Head, &r.Body); err != nil {
			return err
		}
		return f(r)
	})
}

// Deliveries runs f on each delivery, in the order of their numbers.
func (s *CopySource) Deliveries(ctx context.Context, f func(record.DeliveryRow) error) error {
	return s.query(ctx, all(deliveryColumns, "deliveries", "number"), func(rows pgx.Rows) error {
		var r record.DeliveryRow
		var key *int64
		if err := rows.Scan(&r.Number, &r.Route, &key, &r.State, &r.Attempts, &r.Replay, &r.Due, &r.Ended, &r.Reason, &r.Log); err != nil {
			return err
		}
		if key != nil {
			r.Key = *key
		}
		return f(r)
	})
}

// IDs runs f on each id that is remembered.
func (s *CopySource) IDs(ctx context.Context, f func(record.IDRow) error) error {
	return s.query(ctx, all(idColumns, "ids", "source, id"), func(rows pgx.Rows) error {
		var r record.IDRow
		if err := rows.Scan(&r.Source, &r.ID, &r.Digest, &r.Seq, &r.Created, &r.Base, &r.Conflicts); err != nil {
			return err
		}
		return f(r)
	})
}

// Odd runs f on each entry of quarantine, in the order of their numbers.
func (s *CopySource) Odd(ctx context.Context, f func(record.OddRow) error) error {
	return s.query(ctx, all(oddColumns, "quarantine", "number"), func(rows pgx.Rows) error {
		var r record.OddRow
		if err := rows.Scan(&r.Number, &r.At, &r.Source, &r.Reason, &r.Copies, &r.Size, &r.Digest, &r.ID, &r.Type, &r.Head, &r.Body); err != nil {
			return err
		}
		return f(r)
	})
}
