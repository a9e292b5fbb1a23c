package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ncruces/go-sqlite3"
)

// inspect has SQLite look at the structure of every page and compare each index with
// its table, where a process begins and the database is not larger than limits.inspect:
// a flipped byte in a page's head can hide rows, and a row that is not found is no
// error. The bytes of events have checksums of their own, which are compared when they
// are read.
func (w *writer) inspect(first bool) error {
	if !first {
		return nil
	}
	if err := w.compareSchema(); err != nil {
		return err
	}
	if pages, err := w.pragma(w.q.allPages); err != nil || pages*w.pageSize > w.s.o.limits.inspect {
		return err
	}
	said := ""
	err := w.rows("PRAGMA integrity_check(1)", func(q *stmt) error {
		said = q.ColumnText(0)
		return nil
	})
	if err == nil && said != "ok" {
		err = w.explainDamage(fmt.Errorf("%s: %w", said, sqlite3.CORRUPT))
	}
	if err != nil {
		return err
	}
	if err := w.countIndexed(); err != nil {
		return err
	}
	// A number with a flipped bit leaves the deliveries of its event behind.
	return w.rows(`SELECT number FROM deliveries WHERE NOT EXISTS (SELECT 1 FROM events WHERE seq = number >> 12) LIMIT 1`, func(q *stmt) error {
		return fmt.Errorf("delivery %d has no event: %w", q.ColumnInt64(0), sqlite3.CORRUPT)
	})
}

// countIndexed compares the partial indexes with their table. SQLite's own check finds rows
// that an index lacks, but not entries whose rows have gone with a page of the table.
func (w *writer) countIndexed() error {
	for index, where := range map[string]string{
		"fresh": "state=1", "later": "state IN (3, 6)", "inorder": "state IN (3, 6)", "running": "state=2", "dead": "state=5",
		"heads": "key IS NOT NULL AND state IN (1, 3, 6)", "behind": "state=8", "waits": "state=8",
	} {
		listed, err1 := w.c.one(`SELECT count(*) FROM deliveries INDEXED BY ` + index + ` WHERE ` + where)
		there, err2 := w.c.one(`SELECT count(*) FROM deliveries NOT INDEXED WHERE ` + where)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if listed != there {
			return fmt.Errorf("%d deliveries are in the index %s and %d in the table: %w", listed, index, there, sqlite3.CORRUPT)
		}
	}
	return nil
}

// checkLogHasDatabase refuses a log whose database is gone or empty: SQLite would take the
// database for a new one, and drop the log. A creation that was cut short leaves
// no such thing, since the database has its first page before a log begins.
func (s *Store) checkLogHasDatabase() error {
	size, err := sizeOf(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || size > 0 {
		return err
	}
	if log, err := os.Stat(s.path + "-wal"); err == nil && log.Size() > 0 {
		return fmt.Errorf("its log is there and it is empty: %w", sqlite3.CORRUPT)
	}
	return nil
}
