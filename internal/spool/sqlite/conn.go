package sqlite

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// conn is a connection with the few calls that the engine makes. It is used by one
// goroutine at a time.
type conn struct {
	*sqlite3.Conn
	// err is the first error of prepare since it was cleared.
	err error
}

// connect opens a connection to the database. Checkpoints are left to the engine:
// SQLite's own would run within the writer's turn, after some commit, and at the close
// of the last connection.
func (s *Store) connect(create bool, cacheKiB int) (*conn, error) {
	q := url.Values{}
	q.Set("modeof", s.path)
	if s.o.vfs != "" {
		q.Set("vfs", s.o.vfs)
		q.Del("modeof")
	}
	flags := sqlite3.OPEN_READWRITE | sqlite3.OPEN_URI
	if create {
		flags |= sqlite3.OPEN_CREATE
	}
	c, err := sqlite3.OpenFlags(fileURI(s.path, q), flags)
	if err != nil {
		return nil, err
	}
	// The timeout is for a shell or a backup tool that holds a lock for a moment.
	err = c.Exec(fmt.Sprintf(`PRAGMA busy_timeout=%d; PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=%d;
		PRAGMA foreign_keys=OFF; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-%d`, busyFor.Milliseconds(), WALCap, cacheKiB))
	if err == nil {
		_, err = c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &conn{Conn: c}, nil
}

// fileURI names a file for SQLite, whatever characters are in its path. SQLite does
// not read a plus sign as the space that a form means by it.
func fileURI(path string, q url.Values) string {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: strings.ReplaceAll(q.Encode(), "+", "%20")}
	return u.String()
}

// shut closes c whatever state it is in: with statements open, or a transaction.
func (c *conn) shut() error {
	if c == nil || c.Conn == nil {
		return nil
	}
	var open []*sqlite3.Stmt
	for st := range c.Stmts() {
		open = append(open, st)
	}
	for _, st := range open {
		st.Close()
	}
	if !c.GetAutocommit() {
		_ = c.Exec("ROLLBACK")
	}
	err := c.Conn.Close()
	c.Conn = nil
	return err
}

// one returns the integer in the first row of a query, 0 for none or NULL.
func (c *conn) one(sql string) (int64, error) {
	st := c.prepare(sql)
	if c.err != nil {
		return 0, c.err
	}
	defer st.Close()
	var v int64
	if st.next() {
		v = st.ColumnInt64(0)
	}
	return v, st.end()
}

// stmt is a prepared statement whose parameters are bound in order, as
// q.int(1).text("a").exec(). Errors are kept until exec or end, so that each use has
// one place to check.
type stmt struct {
	*sqlite3.Stmt
	// n is how many parameters are bound.
	n int
	// err is the first error of binding.
	err error
}

// prepare keeps the first error in c.err, so that many can be prepared at once.
func (c *conn) prepare(sql string) *stmt {
	st, _, err := c.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("preparing %q: %w", sql, err)
	}
	return &stmt{Stmt: st}
}

// keepError keeps the first error.
func (s *stmt) keepError(err error) *stmt {
	if err != nil && s.err == nil {
		s.err = err
	}
	return s
}

// int binds a number to the next parameter.
func (s *stmt) int(v int64) *stmt {
	s.n++
	return s.keepError(s.BindInt64(s.n, v))
}

// text binds a string to the next parameter.
func (s *stmt) text(v string) *stmt {
	s.n++
	return s.keepError(s.BindText(s.n, v))
}

// blob binds bytes to the next parameter.
func (s *stmt) blob(v []byte) *stmt {
	s.n++
	if v == nil {
		v = []byte{} // The driver could bind nil as NULL.
	}
	return s.keepError(s.BindBlob(s.n, v))
}

// next steps to a row. After false, and after the last row wanted, call end.
func (s *stmt) next() bool {
	return s.err == nil && s.Step()
}

// end makes the statement ready to be used again, and returns its first error.
func (s *stmt) end() error {
	err := s.err
	if r := s.Reset(); err == nil {
		err = r
	}
	s.n, s.err = 0, nil
	return err
}

// exec runs a statement that returns no rows.
func (s *stmt) exec() error {
	if s.err != nil {
		return s.end()
	}
	err := s.Exec()
	s.n = 0
	return err
}

// each runs f on every row, until one returns an error.
func (s *stmt) each(f func() error) error {
	for s.next() {
		if err := f(); err != nil {
			_ = s.end()
			return err
		}
	}
	return s.end()
}

// bytes returns a copy of a column: the driver's own memory goes with the next row.
func (s *stmt) bytes(col int) []byte { return s.ColumnBlob(col, nil) }
