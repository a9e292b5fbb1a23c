package sqlite

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// copyingName is the file that a copy is written to, until it is whole. A store does not
// open beside one.
const copyingName = ".spool.db-copying"

// errCopying is why a directory with a copy that broke off is no store.
var errCopying = errors.New("a copy into it broke off, or is under way")

// refuseCopying refuses a directory without a store in which a copy has broken off: an
// empty store in its place would accept events again that the copied one knows.
func (s *Store) refuseCopying() error {
	path := filepath.Join(s.dir, copyingName)
	_, err := os.Lstat(path)
	if _, there := os.Lstat(s.path); err != nil || there == nil || s.o.vfs != "" {
		return nil //nolint:nilerr // No copy, or a store. Other checks say why it cannot be seen.
	}
	return fmt.Errorf("%s: %w: run `inboxgate store copy` again, which begins anew, or remove %s to begin with an empty store", s.dir, errCopying, path)
}

// CopyTarget is a store that is being made of the rows of another. It has its name, and
// can be opened, once Finish has returned. Until then it is read as a CopySource is.
type CopyTarget struct {
	*CopySource
	dir, part string
	lock      *dirLock
	// buckets are the ids that are to be forgotten together, of so many bytes, and number
	// tells those of one second apart.
	buckets  map[bucketKey][]byte
	gathered int
	number   int64
}

// bucketBytes bounds the buckets that are gathered before they are written.
const bucketBytes = 64 << 20

// NewCopyTarget makes an empty store in a directory that has none. A copy that broke off
// there is removed.
func NewCopyTarget(dir string) (*CopyTarget, error) {
	t, err := newCopyTarget(dir)
	if err != nil {
		return nil, fmt.Errorf("making store: %w", err)
	}
	return t, nil
}

func newCopyTarget(dir string) (*CopyTarget, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := PrepareDir(dir); err != nil {
		return nil, err
	}
	t := &CopyTarget{dir: dir, part: filepath.Join(dir, copyingName), buckets: map[bucketKey][]byte{}}
	if t.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	if err := t.make(); err != nil {
		t.lock.undo()
		return nil, err
	}
	return t, nil
}

func (t *CopyTarget) make() error {
	for _, name := range []string{"spool.db", "spool.db-wal", "acknowledged"} {
		path := filepath.Join(t.dir, name)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s is there already: name a directory without a store, or move it away", path), err)
		}
	}
	for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(t.part + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := makePrivate(t.part); err != nil {
		return err
	}
	c, err := sqlite3.OpenFlags(fileURI(t.part, url.Values{"modeof": {t.part}}), sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI)
	if err != nil {
		return err
	}
	own := &conn{Conn: c}
	err = createIn(own)
	if err == nil { // It is worth nothing before Finish, which syncs it.
		err = own.Exec(`PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY`)
	}
	if err == nil {
		t.CopySource, err = newCopySource(own, t.part, schemaVersion)
	}
	if err != nil {
		return errors.Join(err, own.shut())
	}
	return nil
}

// in runs f in a transaction with a statement of sql.
func (t *CopyTarget) in(sql string, f func(q *stmt) error) (err error) {
	q := t.c.prepare(sql)
	if err := t.c.prepared(); err != nil {
		return err
	}
	defer q.Close()
	if err := t.c.Exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	if err := f(q); err != nil {
		return errors.Join(err, t.c.Exec(`ROLLBACK`))
	}
	return t.c.Exec(`COMMIT`)
}

// PutHead writes what is not a row of the large tables.
func (t *CopyTarget) PutHead(_ context.Context, h record.Head) error {
	err := t.in(`INSERT INTO meta VALUES (?,?)`, func(q *stmt) error {
		for _, m := range []struct {
			name string
			v    int64
		}{{"id", h.Identity}, {"epoch", 0}, {"passed", h.Age}, {"now", h.Now}, {"floor", h.Last}, {"merged", h.Last}} {
			if err := q.text(m.name).int(m.v).exec(); err != nil {
				return err
			}
		}
		for _, s := range h.Sources {
			if s.Newest == 0 {
				continue
			}
			if err := q.text(newestName(s.Source)).int(s.Newest).exec(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := t.in(`INSERT INTO sources VALUES (?,?,?)`, func(q *stmt) error {
		return every(h.Sources, func(s record.SourceRow) error { return q.int(s.Source).text(s.Name).int(s.Watermark).exec() })
	}); err != nil {
		return err
	}
	if err := t.in(`INSERT INTO routes VALUES (?,?,?,?,nullif(?,''))`, func(q *stmt) error {
		return every(h.Routes, func(r record.RouteRow) error {
			return q.int(r.Route).int(r.Source).text(r.Name).int(r.Merged).text(r.Hold).exec()
		})
	}); err != nil {
		return err
	}
	return t.in(`INSERT INTO names VALUES (?,?,?)`, func(q *stmt) error {
		return every(h.Names, func(n record.NameRow) error { return q.int(n.Source).text(n.Name).int(n.Route).exec() })
	})
}

// every runs f on each of all until one fails.
func every[T any](all []T, f func(T) error) error {
	for _, v := range all {
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

// PutEvents writes events.
func (t *CopyTarget) PutEvents(_ context.Context, all []record.EventRow) error {
	return t.in(`INSERT INTO events VALUES (?,?,?,?,?,?,?)`, func(q *stmt) error {
		return every(all, func(e record.EventRow) error {
			return q.int(e.Seq).int(e.At).int(e.Source).text(e.ID).text(e.Type).blob(e.Head).blob(e.Body).exec()
		})
	})
}

// PutDeliveries writes deliveries.
func (t *CopyTarget) PutDeliveries(_ context.Context, all []record.DeliveryRow) error {
	return t.in(`INSERT INTO deliveries VALUES (?,?,?,?,0,0,?,?,?,?,?,nullif(?,0))`, func(q *stmt) error {
		return every(all, func(d record.DeliveryRow) error {
			return q.int(d.Number).int(d.Route).int(int64(d.State)).int(d.Due).int(int64(d.Attempts)).int(int64(d.Replay)).
				int(d.Ended).text(d.Reason).blob(d.Log).int(d.Key).exec()
		})
	})
}

// PutOdd writes entries of quarantine.
func (t *CopyTarget) PutOdd(_ context.Context, all []record.OddRow) error {
	return t.in(`INSERT INTO quarantine VALUES (?,?,?,?,?,?,?,?,?,?,?)`, func(q *stmt) error {
		return every(all, func(o record.OddRow) error {
			return q.int(o.Number).int(o.At).int(o.Source).text(o.Reason).int(int64(o.Copies)).int(o.Size).blob(o.Digest).
				text(o.ID).text(o.Type).blob(o.Head).blob(o.Body).exec()
		})
	})
}

// PutIDs writes ids, and gathers when they are to be forgotten. FlushIDs must follow.
func (t *CopyTarget) PutIDs(ctx context.Context, all []record.IDRow) error {
	slices.SortFunc(all, func(a, b record.IDRow) int { return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID)) })
	err := t.in(`INSERT INTO ids VALUES (?,?,?,?,?)`, func(q *stmt) error {
		return every(all, func(r record.IDRow) error {
			k := bucketKey{r.Source, record.WholeSeconds(r.Base)}
			b := record.PutString(binary.AppendVarint(t.buckets[k], r.Created), r.ID)
			t.gathered += len(b) - len(t.buckets[k])
			t.buckets[k] = b
			return q.int(r.Source).text(r.ID).blob(r.Digest).int(r.Seq).int(int64(r.Conflicts)).exec()
		})
	})
	if err == nil && t.gathered > bucketBytes {
		err = t.FlushIDs(ctx)
	}
	return err
}

// FlushIDs writes the buckets that PutIDs has gathered.
func (t *CopyTarget) FlushIDs(context.Context) error {
	err := t.in(`INSERT INTO forgets VALUES (?,?,?)`, func(q *stmt) error {
		for k, b := range t.buckets {
			t.number++
			if err := q.int(k.second<<bucketBits | t.number&(1<<bucketBits-1)).int(k.source).blob(b).exec(); err != nil {
				return err
			}
		}
		return nil
	})
	t.gathered = 0
	clear(t.buckets)
	return err
}

// Finish puts all on the disk and gives the store its name.
func (t *CopyTarget) Finish(context.Context) error {
	defer t.lock.undo()
	err := t.c.Exec(`PRAGMA locking_mode=NORMAL; PRAGMA wal_checkpoint(TRUNCATE)`)
	if err = errors.Join(err, t.c.shut()); err != nil {
		return fmt.Errorf("ending copy: %w", err)
	}
	if size, err := sizeOf(t.part + "-wal"); err == nil && size > 0 {
		return fmt.Errorf("ending copy: %d bytes stay in its log", size)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(t.part + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("ending copy: %w", err)
		}
	}
	f, err := os.OpenFile(t.part, os.O_RDWR|noFollow, 0)
	if err != nil {
		return fmt.Errorf("ending copy: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close(), os.Rename(t.part, filepath.Join(t.dir, "spool.db")), syncDir(t.dir)); err != nil {
		return fmt.Errorf("ending copy: %w", err)
	}
	return nil
}

// Close gives a copy up that was not finished. It stays marked as one that broke off.
func (t *CopyTarget) Close() error {
	err := t.c.shut()
	t.lock.undo()
	return err
}
