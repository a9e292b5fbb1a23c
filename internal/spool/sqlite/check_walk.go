package sqlite

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// checker reads one store from its beginning to its end. It belongs to one goroutine.
type checker struct {
	c *conn
	// r gets what is found.
	r        *Report
	progress spool.Progress
	// version is that of the store, which may be an older one.
	version int64

	// sources and routes are the numbers that are in their tables, for all that names one.
	sources, routes map[int64]bool
}

// run does all parts. Damage does not end it: an operator is to see how much there is.
func (k *checker) run(ctx context.Context) error {
	for _, part := range []func() error{k.structure, k.schema, k.names, k.events, k.deliveries, k.keys, k.quarantine} {
		if err := part(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// rows runs f on each row. A page that cannot be read is damage, not an error,
// and what lies behind it in that table is not seen.
func (k *checker) rows(what, sql string, f func(*stmt)) error {
	q := k.c.prepare(sql)
	err := k.c.err
	if k.c.err = nil; err == nil {
		err = q.each(func() error { f(q); return nil })
		err = errors.Join(err, q.Close())
	}
	if err == nil || errors.Is(err, sqlite3.INTERRUPT) {
		return err
	}
	if errors.Is(err, sqlite3.CORRUPT) || errors.Is(err, sqlite3.NOTADB) || errors.Is(err, sqlite3.ERROR) || errors.Is(err, sqlite3.IOERR) {
		k.r.damage("%s cannot be read to the end: %v", what, err)
		return nil
	}
	return err
}

// structure runs SQLite's own check of pages and indexes.
func (k *checker) structure() error {
	return k.rows("the structure", "PRAGMA integrity_check(100)", func(q *stmt) {
		if text := q.ColumnText(0); text != "ok" {
			k.r.damage("structure: %s", text)
		}
	})
}

// schema lists what other programs have added, and counts as damage what would change ours.
func (k *checker) schema() error {
	added, err := compareSchema(k.c, k.version)
	k.r.Added = added
	if errors.Is(err, errAdded) || errors.Is(err, sqlite3.CORRUPT) {
		k.r.damage("%v", err)
		return nil
	}
	return err
}

// names reads the sources and routes.
func (k *checker) names() error {
	k.sources, k.routes = map[int64]bool{}, map[int64]bool{}
	err := k.rows("the table of sources", "SELECT source FROM sources", func(q *stmt) { k.sources[q.ColumnInt64(0)] = true })
	if err != nil {
		return err
	}
	return k.rows("the table of routes", "SELECT route, source, hold FROM routes", func(q *stmt) {
		id := q.ColumnInt64(0)
		k.routes[id] = true
		if !k.sources[q.ColumnInt64(1)] {
			k.r.damage("route %d has no source", id)
		}
		if _, err := decodeHold(q.ColumnText(2)); err != nil {
			k.r.damage("route %d: its hold cannot be read", id)
		}
	})
}

// events checks every event against the digest that was stored with it.
func (k *checker) events() error {
	var total int64
	err := k.rows("the table of events", "SELECT count(*) FROM events", func(q *stmt) { total = q.ColumnInt64(0) })
	if err != nil {
		return err
	}
	return k.rows("the table of events", "SELECT seq, source, head, body FROM events", func(q *stmt) {
		k.r.Events++
		k.body("event", q)
		if k.progress != nil {
			k.progress(k.r.Events, max(total, k.r.Events))
		}
	})
}

// body checks a row whose columns are number, source, head and body.
func (k *checker) body(what string, q *stmt) {
	number := q.ColumnInt64(0)
	if !k.sources[q.ColumnInt64(1)] {
		k.r.damage("%s %d has no source", what, number)
	}
	var e spool.Event
	if _, err := record.DecodeHead(q.ColumnRawBlob(2), &e); err != nil {
		k.r.damage("%s %d: what came with its body cannot be read", what, number)
		return
	}
	if spool.Digest(sha256.Sum256(q.ColumnRawBlob(3))) != e.Digest {
		k.r.damage("%s %d: its body is not the one that was stored", what, number)
	}
}

// deliveries checks that each has a route, an event, a known state and a log that can
// be read.
func (k *checker) deliveries() error {
	return k.rows("the table of deliveries", `SELECT number, route, state, log, EXISTS (SELECT 1 FROM events WHERE seq = number >> 12)
		FROM deliveries`, func(q *stmt) {
		k.r.Deliveries++
		number := q.ColumnInt64(0)
		if !k.routes[q.ColumnInt64(1)] {
			k.r.damage("delivery %d has no route", number)
		}
		if s := q.ColumnInt64(2); s < fresh || s > behind {
			k.r.damage("delivery %d has the unknown state %d", number, s)
		}
		if _, err := record.DecodeLog(q.ColumnRawBlob(3)); err != nil {
			k.r.damage("delivery %d: its attempts cannot be read", number)
		}
		if q.ColumnInt64(4) == 0 {
			k.r.damage("delivery %d has no event", number)
		}
	})
}

// quarantine checks the entries as events are.
func (k *checker) quarantine() error {
	return k.rows("the quarantine", "SELECT number, source, head, body FROM quarantine", func(q *stmt) {
		k.r.Quarantined++
		k.body("entry", q)
	})
}
