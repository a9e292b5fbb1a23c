package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// CopySource is a store that no process uses, open to be read row by row. It is not
// recovered: what was running when its process ended is shown as running.
type CopySource struct {
	c *conn
	// version is that of the store, which may be an older one.
	version int64
	// recent are the ids that the table may lack, from the events above merged.
	recent map[idKey]knownID
	// numbers has what readMeta reads.
	numbers *writer
	release func()
}

// OpenCopySource opens a store's directory, or a file that Backup wrote. While it is open
// no process can open the store. It fails with ErrInUse where one has.
func OpenCopySource(path string) (*CopySource, error) {
	f, err := findOffline(path)
	if err != nil {
		return nil, fmt.Errorf("reading store: %w", err)
	}
	c, err := openReadOnly(f.path, f.log > 0)
	if err != nil {
		f.release()
		return nil, fmt.Errorf("reading store: %w", err)
	}
	k := &checker{c: c, r: &Report{Path: f.path}}
	if err := k.identify(); err != nil {
		f.release()
		return nil, errors.Join(fmt.Errorf("reading store: %w", err), c.shut())
	}
	s, err := newCopySource(c, f.path, k.version)
	if err != nil {
		f.release()
		return nil, errors.Join(fmt.Errorf("reading store: %w", err), c.shut())
	}
	s.release = f.release
	return s, nil
}

// newCopySource reads by a connection, which the caller closes where it fails.
func newCopySource(c *conn, path string, version int64) (*CopySource, error) {
	owner := &Store{path: path, dir: filepath.Dir(path)}
	owner.o.limits = limits{}.withDefaults()
	w := newWriter(owner)
	w.c = c
	s := &CopySource{c: c, version: version, numbers: w, recent: map[idKey]knownID{}, release: func() {}}
	if _, err := w.readMeta(true); err != nil {
		return nil, err
	}
	err := s.rows(context.Background(), fmt.Sprintf(`SELECT seq, source, id, substr(head, 2, %d) FROM events WHERE seq>%d`, spool.DigestSize, w.merged), func(q *stmt) error {
		v := knownID{seq: q.ColumnInt64(0)}
		if n := copy(v.digest[:], q.ColumnRawBlob(3)); n != spool.DigestSize {
			return record.ErrDamaged
		}
		s.recent[idKey{q.ColumnInt64(1), q.ColumnText(2)}] = v
		return nil
	})
	return s, err
}

// Close lets other processes open the store again.
func (s *CopySource) Close() error {
	err := s.c.shut()
	s.release()
	return err
}

// rows runs f on each row of a query, until ctx ends.
func (s *CopySource) rows(ctx context.Context, sql string, f func(q *stmt) error) error {
	q := s.c.prepare(sql)
	if err := s.c.prepared(); err != nil {
		return err
	}
	err := q.each(func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return f(q)
	})
	return errors.Join(err, q.Close())
}

// Head reads what is not a row of the large tables.
func (s *CopySource) Head(ctx context.Context) (record.Head, error) {
	if _, err := s.numbers.readMeta(true); err != nil {
		return record.Head{}, err
	}
	h := record.Head{Identity: s.numbers.id, Age: s.numbers.ageBase, Last: s.numbers.seq}
	err1 := s.rows(ctx, `SELECT value FROM meta WHERE name='now'`, func(q *stmt) error {
		h.Now = q.ColumnInt64(0)
		return nil
	})
	err2 := s.rows(ctx, `SELECT source, name, watermark FROM sources ORDER BY source`, func(q *stmt) error {
		id := q.ColumnInt64(0)
		h.Sources = append(h.Sources, record.SourceRow{Source: id, Name: q.ColumnText(1), Watermark: q.ColumnInt64(2), Newest: s.numbers.newestOf[id]})
		return nil
	})
	err3 := s.rows(ctx, `SELECT route, source, name, merged, coalesce(hold, '') FROM routes ORDER BY route`, func(q *stmt) error {
		r := record.RouteRow{Route: q.ColumnInt64(0), Source: q.ColumnInt64(1), Name: q.ColumnText(2), Merged: q.ColumnInt64(3)}
		hold, err := decodeHold(q.ColumnText(4))
		if err == nil && hold != nil && hold.ByHand && r.Merged == 0 {
			text, e := json.Marshal(hold)
			r.Hold, err = string(text), e
		}
		h.Routes = append(h.Routes, r)
		return err
	})
	err4 := s.rows(ctx, `SELECT source, name, route FROM names ORDER BY source, name`, func(q *stmt) error {
		h.Names = append(h.Names, record.NameRow{Source: q.ColumnInt64(0), Name: q.ColumnText(1), Route: q.ColumnInt64(2)})
		return nil
	})
	return h, errors.Join(err1, err2, err3, err4)
}

// Counts counts the rows.
func (s *CopySource) Counts(context.Context) (n record.Counts, err error) {
	for _, t := range []struct {
		table string
		n     *int64
	}{{"events", &n.Events}, {"deliveries", &n.Deliveries}, {"ids", &n.IDs}, {"quarantine", &n.Odd}} {
		if *t.n, err = s.c.one(`SELECT count(*) FROM ` + t.table); err != nil {
			return n, err
		}
	}
	known, err := s.known()
	if err != nil {
		return n, err
	}
	defer known.Close()
	for k := range s.recent {
		_, ok, err := lookUp(known, k)
		if err != nil {
			return n, err
		}
		if !ok {
			n.IDs++
		}
	}
	return n, nil
}

// notNull returns a column of bytes, which is not NULL where it is empty.
func notNull(q *stmt, col int) []byte { return append([]byte{}, q.ColumnRawBlob(col)...) }

// Events runs f on each event, in the order of their numbers.
func (s *CopySource) Events(ctx context.Context, f func(record.EventRow) error) error {
	return s.rows(ctx, `SELECT seq, at, source, id, type, head, body FROM events ORDER BY seq`, func(q *stmt) error {
		return f(record.EventRow{
			Seq: q.ColumnInt64(0), At: q.ColumnInt64(1), Source: q.ColumnInt64(2), ID: q.ColumnText(3), Type: q.ColumnText(4),
			Head: notNull(q, 5), Body: notNull(q, 6),
		})
	})
}

// Deliveries runs f on each delivery, in the order of their numbers.
func (s *CopySource) Deliveries(ctx context.Context, f func(record.DeliveryRow) error) error {
	key := "key"
	if s.version < orderVersion {
		key = "0"
	}
	return s.rows(ctx, `SELECT number, route, state, attempts, replay, due, ended, reason, log, `+key+` FROM deliveries ORDER BY number`, func(q *stmt) error {
		return f(record.DeliveryRow{
			Number: q.ColumnInt64(0), Route: q.ColumnInt64(1), State: int16(q.ColumnInt64(2)), Attempts: int32(min(q.ColumnInt64(3), math.MaxInt32)),
			Replay: int32(min(q.ColumnInt64(4), math.MaxInt32)), Due: q.ColumnInt64(5), Ended: q.ColumnInt64(6), Reason: q.ColumnText(7), Log: notNull(q, 8), Key: q.ColumnInt64(9),
		})
	})
}

// Odd runs f on each entry of quarantine, in the order of their numbers.
func (s *CopySource) Odd(ctx context.Context, f func(record.OddRow) error) error {
	return s.rows(ctx, `SELECT number, at, source, reason, copies, size, digest, id, type, head, body FROM quarantine ORDER BY number`, func(q *stmt) error {
		return f(record.OddRow{
			Number: q.ColumnInt64(0), At: q.ColumnInt64(1), Source: q.ColumnInt64(2), Reason: q.ColumnText(3), Copies: int32(min(q.ColumnInt64(4), math.MaxInt32)),
			Size: q.ColumnInt64(5), Digest: notNull(q, 6), ID: q.ColumnText(7), Type: q.ColumnText(8), Head: notNull(q, 9), Body: notNull(q, 10),
		})
	})
}

// storedID is an id as the table has it.
type storedID struct {
	digest    []byte
	seq       int64
	conflicts int16
}

// known prepares the statement of lookUp.
func (s *CopySource) known() (*stmt, error) {
	q := s.c.prepare(`SELECT digest, seq, conflicts FROM ids WHERE source=? AND id=?`)
	return q, s.c.prepared()
}

// lookUp finds an id in the table.
func lookUp(q *stmt, k idKey) (v storedID, ok bool, err error) {
	if ok = q.int(k.source).text(k.id).next(); ok {
		v = storedID{q.bytes(0), q.ColumnInt64(1), int16(min(q.ColumnInt64(2), spool.MaxConflicts))}
	}
	return v, ok, q.end()
}

// IDs runs f on each id that is remembered, the oldest first: the buckets by which they
// are forgotten have when that is.
func (s *CopySource) IDs(ctx context.Context, f func(record.IDRow) error) error {
	known, err := s.known()
	if err != nil {
		return err
	}
	defer known.Close()
	return s.rows(ctx, `SELECT bucket, source, ids FROM forgets ORDER BY bucket`, func(q *stmt) error {
		base, source := (q.ColumnInt64(0)>>bucketBits)*1e9, q.ColumnInt64(1)
		for d := (record.Decoder{B: q.bytes(2)}); len(d.B) > 0; {
			created, id := d.Int(), d.String()
			if d.Bad {
				return record.ErrDamaged
			}
			v, ok, err := lookUp(known, idKey{source, id})
			if err != nil {
				return err
			}
			if !ok {
				r, ok := s.recent[idKey{source, id}]
				if !ok {
					return fmt.Errorf("%w: an id that is to be forgotten is not remembered", record.ErrDamaged)
				}
				v = storedID{r.digest[:], r.seq, 0}
			}
			if err := f(record.IDRow{Source: source, ID: id, Digest: v.digest, Seq: v.seq, Created: created, Base: base, Conflicts: v.conflicts}); err != nil {
				return err
			}
		}
		return nil
	})
}

// newestName is the name in meta of the newest created_at of a source.
func newestName(source int64) string { return newestPrefix + strconv.FormatInt(source, 10) }
