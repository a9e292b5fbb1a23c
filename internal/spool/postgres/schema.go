package postgres

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
)

var (
	//go:embed schema.sql
	firstSchema string
	//go:embed schema_order.sql
	orderSchema string
)

// schemaVersion is the version that this program makes. It runs on any later one that
// keeps its meta "lowest" at or below this.
func schemaVersion() int { return len(steps) }

// Migrate makes or changes the tables that dsn leads to, and returns the version before
// and after. It waits for no member: programs of the former version go on. It is for a
// role that may create tables, where the one of the members may not.
func Migrate(ctx context.Context, dsn string, o Options) (from, to int, err error) {
	_, target, err := parse(dsn)
	if err != nil {
		return 0, 0, fmt.Errorf("migrating store: %w", err)
	}
	o.atOnce = cmp.Or(o.atOnce, atOnce)
	s := &Store{o: o, target: target, dsn: dsn, closeBegun: make(chan struct{})}
	s.settings.Store(new(spool.Settings))
	s.calls = newLink(s, "migrate")
	defer s.calls.end()
	from, to, err = s.migrate(ctx)
	if err != nil {
		return from, to, fmt.Errorf("migrating store %s: %w", target, err)
	}
	return from, to, nil
}

// openSchema waits for the database, and migrates it where that is needed and allowed.
func (s *Store) openSchema(ctx context.Context) error {
	version, err := s.awaitVersion(ctx)
	if err != nil {
		return err
	}
	if version < schemaVersion() {
		if _, _, err := s.migrate(ctx); err != nil {
			return fmt.Errorf("making the tables: %w: have `inboxgate store migrate` run with a role that may create them", err)
		}
	}
	if err := s.refuseCopying(ctx); err != nil {
		return err
	}
	return s.checkServer(ctx)
}

// awaitVersion returns the version of the schema, 0 where there is none, once the
// database can be reached.
func (s *Store) awaitVersion(ctx context.Context) (version int, err error) {
	if err := s.calls.take(ctx); err != nil {
		return 0, err
	}
	defer s.calls.give()
	if err := s.calls.connect(ctx); err != nil {
		return 0, err
	}
	return s.version(ctx, s.calls.c)
}

// version reads the version of the schema, 0 for none.
func (s *Store) version(ctx context.Context, c *pgx.Conn) (int, error) {
	var there bool
	if err := c.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, unprepared, s.target.Schema+".meta").Scan(&there); err != nil || !there {
		return 0, err
	}
	var version, lowest int
	err := c.QueryRow(ctx, s.sql(`SELECT coalesce((SELECT value FROM @.meta WHERE name='schema'), 0), coalesce((SELECT value FROM @.meta WHERE name='lowest'), 0)`), unprepared).Scan(&version, &lowest)
	if err == nil && lowest > schemaVersion() {
		err = fmt.Errorf("%w: its tables are of version %d, which needs a newer program than this one (%d)", errSetUp, version, schemaVersion())
	}
	return version, err
}

// migrate takes the steps that are missing, each in a transaction of its own. The row of
// the version keeps others out meanwhile.
func (s *Store) migrate(ctx context.Context) (from, to int, err error) {
	l := s.calls
	if err := l.take(ctx); err != nil {
		return 0, 0, err
	}
	defer l.give()
	if err := l.connect(ctx); err != nil {
		return 0, 0, err
	}
	if from, err = s.version(ctx, l.c); err != nil {
		return from, from, err
	}
	to = from
	for to < schemaVersion() {
		if to, err = s.takeStep(ctx, l.c); err != nil {
			l.drop()
			return from, to, err
		}
	}
	return from, to, nil
}

// takeStep takes the step behind the present version, unless another has, and returns
// the version then. Two that begin at once with no table meet at the schema's name.
func (s *Store) takeStep(ctx context.Context, c *pgx.Conn) (int, error) {
	version, err := s.version(ctx, c)
	if err != nil || version >= schemaVersion() {
		return version, err
	}
	if version > 0 {
		return s.changeTables(ctx, version)
	}
	tx, err := c.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback(ctx) }() // After a commit it does nothing.
	if err := s.makeSchema(ctx, tx); err != nil {
		return 0, s.whileOthersMake(ctx, err)
	}
	if _, err := tx.Exec(ctx, strings.ReplaceAll(steps[0].sql, "@.", s.target.Schema+"."), pgx.QueryExecModeSimpleProtocol); err != nil {
		return 0, s.whileOthersMake(ctx, err)
	}
	if err := s.drawIdentity(ctx, tx); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, s.sql(`INSERT INTO @.meta VALUES ('schema', 1)`), unprepared); err != nil {
		return 0, err
	}
	return 1, tx.Commit(ctx)
}

// makeSchema makes the schema where it is missing. A role that owns one which is there
// may have no right to make others.
func (s *Store) makeSchema(ctx context.Context, tx pgx.Tx) error {
	var there bool
	if err := tx.QueryRow(ctx, `SELECT to_regnamespace($1) IS NOT NULL`, unprepared, s.target.Schema).Scan(&there); err != nil || there {
		return err
	}
	_, err := tx.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+s.target.Schema, unprepared)
	return err
}

// whileOthersMake returns nil where err came because another process made the tables at
// the same time: the version is read again then.
func (s *Store) whileOthersMake(ctx context.Context, err error) error {
	for _, code := range []string{"23505", "42P06", "42P07"} {
		if strings.Contains(err.Error(), code) {
			return nil
		}
	}
	return err
}

// drawIdentity gives a new store its number, and the time at which its age begins.
func (s *Store) drawIdentity(ctx context.Context, tx pgx.Tx) error {
	var b [8]byte
	rand.Read(b[:])
	id := int64(binary.BigEndian.Uint64(b[:]) >> 1)
	_, err := tx.Exec(ctx, s.sql(`INSERT INTO @.meta VALUES ('identity', $1), ('lowest', 1), ('change', 1), ('age', $2), ('now', 0)`), unprepared, id, time.Now().UnixNano())
	return err
}

// checkServer refuses a server that does not keep what it has answered.
func (s *Store) checkServer(ctx context.Context) error {
	var version int
	fsync, fullPages, persistence, identity := "", "", "", int64(0)
	err := s.calls.run(ctx, true, func() *trip {
		t := s.relaxedly()
		t.do(`SELECT current_setting('server_version_num')::int, current_setting('fsync'), current_setting('full_page_writes'),
			(SELECT string_agg(DISTINCT relpersistence::text, '') FROM pg_class WHERE relnamespace=to_regnamespace($1) AND relkind='r'),
			(SELECT value FROM @.meta WHERE name='identity')`, s.target.Schema).
			QueryRow(func(row pgx.Row) error {
				return row.Scan(&version, &fsync, &fullPages, &persistence, &identity)
			})
		return t
	})
	switch {
	case err != nil:
		return err
	case version < 140000:
		return fmt.Errorf("%w: the server is of version %d; 14 is the oldest that will do", errSetUp, version/10000)
	case fsync != "on" && !allowsUnsafe():
		return fmt.Errorf("%w: fsync is off there, so that a power cut loses what was answered: set fsync=on", errSetUp)
	case fullPages != "on" && !allowsUnsafe():
		return fmt.Errorf("%w: full_page_writes is off there, so that a power cut can break pages: set full_page_writes=on", errSetUp)
	case persistence != "p":
		return fmt.Errorf("%w: a table there is unlogged, so that a crash would empty it: ALTER TABLE … SET LOGGED", errSetUp)
	}
	s.identity = fmt.Sprintf("%016x", identity)
	s.lockClass = int32(identity) //nolint:gosec // Any 32 bits will do.
	return nil
}

// allowsUnsafe is for tests, whose server may forgo the disk.
var allowsUnsafe = func() bool { return false }

// errNotMember is why a member's row is gone: others took it for dead.
var errNotMember = errors.New("this process counts as gone")

// join makes this process a member, with a new number: it takes nothing back that a
// former process of the same name has left.
func (s *Store) join(ctx context.Context) error {
	var last, age, dbNow int64
	err := s.calls.run(ctx, true, func() *trip {
		t := s.relaxedly()
		t.do(`SELECT nextval('@.member_numbers'), ` + storedNow + `, ` + storedAge + `, ` + serverNow).QueryRow(func(row pgx.Row) error {
			return row.Scan(&s.me, &last, &age, &dbNow)
		})
		return t
	})
	if err != nil {
		return err
	}
	s.clock = newClock(s.o.Now, dbNow, last, age)
	return s.writeMember(ctx)
}

// What the clock of a member begins with.
const (
	storedNow = `(SELECT greatest((SELECT value FROM @.meta WHERE name='now'), (SELECT max(now) FROM @.members), (SELECT max(waiting) FROM @.counts WHERE route=-3)))`
	storedAge = `(SELECT greatest((SELECT value FROM @.meta WHERE name='age'), (SELECT max(age) FROM @.members), (SELECT max(running) FROM @.counts WHERE route=-3)))`
	serverNow = `(extract(epoch FROM clock_timestamp())*1000000)::bigint*1000`
)

// A route that nobody is known to reach stays held for a member that joins: a process
// that restarts goes on probing, where it would spend attempts of what waits.
const (
	inheritHolds = `INSERT INTO @.holds (route, member, hold) SELECT DISTINCT ON (h.route) h.route, $1::bigint, h.hold FROM @.holds h
		WHERE h.member<>0 AND NOT EXISTS (SELECT FROM @.members m WHERE m.member<>$1 AND m.age>$2 AND h.route=ANY(m.serves)
			AND NOT EXISTS (SELECT FROM @.holds x WHERE x.route=h.route AND x.member=m.member))
		ORDER BY h.route, h.member DESC ON CONFLICT (route, member) DO NOTHING`
	dropHolds = `DELETE FROM @.holds h WHERE member<>0 AND NOT EXISTS (SELECT FROM @.members m WHERE m.member=h.member)`
)

// writeMember writes the row of this member.
func (s *Store) writeMember(ctx context.Context) error {
	return s.calls.run(ctx, true, func() *trip {
		t := s.durably()
		r, set := s.clock.read(), s.settings.Load()
		t.do(`INSERT INTO @.members (member, name, version, began, began_age, seen, age, now, retention, win, max_size, schema)
			VALUES ($1,$2,$3,$4,$5,$4,$5,$6,$7,$8,$9,$10) ON CONFLICT (member) DO NOTHING`,
			s.me, s.o.Name, s.o.Version, nanos(r.Wall()), r.age, r.now, int64(set.Retention), int64(set.Window), set.MaxSize, schemaVersion())
		t.do(inheritHolds, s.me, r.age-dur(memberTimeout))
		t.do(dropHolds)
		t.do(bump)
		return t
	})
}
