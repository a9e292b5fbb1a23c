package sqlite

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// object is one row of sqlite_schema: a table, index, trigger or view.
type object struct{ kind, name, table, sql string }

// errAdded says that another program has added what would change what we store.
var errAdded = errors.New("another program changes what is stored")

// unmarked returns the error for a file without the mark of our stores. A copy that
// was written as text has lost it, with all else that stands in the header.
func unmarked(c *conn, mark int64, path string) error {
	if mark != 0 {
		return errNotOurs
	}
	version := int64(schemaVersion)
	for ; version > 0; version-- {
		if _, err := compareSchema(c, version); err == nil {
			break
		}
	}
	if version == 0 {
		return errNotOurs
	}
	return fmt.Errorf("%w: it holds inboxgate's tables without the store's mark, as a copy by `.dump` or `.clone` does. "+
		"Copy the original again, by `inboxgate store backup`, by `.backup` or by VACUUM INTO. If it is gone, set what the copy lacks with "+
		"`sqlite3 %s 'PRAGMA application_id=%d; PRAGMA user_version=%d; PRAGMA auto_vacuum=2; VACUUM'` and look at it with `inboxgate store check`",
		errUnmarked, path, applicationID, version)
}

var errUnmarked = errors.New("the file is no whole copy of a store")

const listSchema = `SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY name`

// compareSchema compares the schema with the one that this program makes. With one byte
// of its text flipped, a column can become another and all rows of a table be hidden,
// while the structure of every page is sound. Tables that a tool keeps beside ours are
// its own affair, and are logged; a trigger or an index on one of ours is refused.
func (w *writer) compareSchema() error {
	added, err := compareSchema(w.c, schemaVersion)
	if err == nil && len(added) > 0 {
		w.s.log.Info("other programs keep tables of their own in the store", "path", w.s.path, "added", strings.Join(added, ", "))
	}
	return err
}

// compareSchema returns what was added beside ours of a version, in words.
func compareSchema(c *conn, version int64) (added []string, err error) {
	want, err := ownSchema(version)
	if err != nil {
		return nil, err
	}
	got, err := schemaOf(c)
	if err != nil {
		return nil, err
	}
	ours, found := map[string]bool{}, 0
	for _, o := range want {
		ours[strings.ToLower(o.table)] = true
	}
	known := make(map[object]bool, len(want))
	for _, o := range want {
		known[o] = true
	}
	for _, o := range got {
		switch {
		case known[o]:
			found++
		case !ours[strings.ToLower(o.table)]:
			added = append(added, o.kind+" "+o.name)
		case o.kind == "trigger", o.kind == "index":
			err = errors.Join(err, fmt.Errorf("%w: %s %s on the table %s is not of this program, and would change or refuse what is stored; remove it with `sqlite3 spool.db 'DROP %s \"%s\"'`",
				errAdded, o.kind, o.name, o.table, strings.ToUpper(o.kind), o.name))
		}
	}
	if found < len(want) {
		return added, fmt.Errorf("its schema is not the one of this version: %w", sqlite3.CORRUPT)
	}
	return added, err
}

// schemaOf returns the schema of a database.
func schemaOf(c *conn) (all []object, err error) {
	st := c.prepare(listSchema)
	if err := c.err; err != nil {
		c.err = nil
		return nil, err
	}
	err = st.each(func() error {
		all = append(all, object{st.ColumnText(0), st.ColumnText(1), st.ColumnText(2), st.ColumnText(3)})
		return nil
	})
	return all, errors.Join(err, st.Close())
}
