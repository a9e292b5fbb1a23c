package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// ErrInUse says that a process has the store open: what is read from outside then need
// not be what is stored.
var ErrInUse = errors.New("the store is in use")

// maxDamage is how many places a Report describes.
const maxDamage = 100

// Report is what Check found.
type Report struct {
	Path string `json:"path"`
	// Bytes is the size of the file and of its log.
	Bytes       int64 `json:"bytes"`
	Events      int64 `json:"events"`
	Deliveries  int64 `json:"deliveries"`
	Quarantined int64 `json:"quarantined"`
	// Damaged counts what is damaged; Damage describes the first hundred.
	Damaged int64    `json:"damaged"`
	Damage  []string `json:"damage,omitempty"`
	// Added are tables, indexes, triggers and views of other programs. They are no
	// damage.
	Added []string `json:"added,omitempty"`
}

// damage counts one damaged place and describes it if there is room.
func (r *Report) damage(format string, args ...any) {
	if r.Damaged++; r.Damaged <= maxDamage {
		r.Damage = append(r.Damage, fmt.Sprintf(format, args...))
	}
}

// Check reads all of a store that no process uses: path is its directory, or a
// file that Backup wrote. It runs SQLite's own check, then looks at each event,
// delivery and entry: that it can be decoded, belongs to something, and has the
// body whose digest was stored with it. What is damaged is in the Report; an
// error means that the check could not be made. It fails with ErrInUse where a
// process holds the store. The database and its log are not changed; what an
// unclean end has left in the log is read from there. progress, which may be
// nil, is called with the number of events read.
func Check(ctx context.Context, path string, progress spool.Progress) (Report, error) {
	r, err := inspect(ctx, path, progress)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return r, fmt.Errorf("checking store: %w", err)
	}
	return r, nil
}

// inspect is Check without the wrapping of its errors.
func inspect(ctx context.Context, path string, progress spool.Progress) (r Report, err error) {
	f, err := findOffline(path)
	if r.Path = f.path; err != nil {
		return r, err
	}
	defer f.release()
	r.Bytes = f.size + f.log
	c, err := openReadOnly(r.Path, f.log > 0)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.shut()) }()
	c.SetInterrupt(ctx)
	k := &checker{c: c, r: &r, progress: progress}
	if err := k.identify(); errors.Is(err, sqlite3.CORRUPT) {
		r.damage("the database cannot be opened as a whole: %v", err)
	} else if err != nil {
		return r, err
	}
	if f.log == 0 {
		if err := k.checkFileLength(f.size); err != nil {
			return r, err
		}
	}
	return r, k.run(ctx)
}

// openReadOnly opens a database so that nothing beside it is made or changed. Without a
// log it is immutable to SQLite, which then takes no locks. With one, exclusive locking
// makes SQLite keep the index of the log in memory instead of in a file beside it.
func openReadOnly(path string, log bool) (*conn, error) {
	q := url.Values{"mode": {"ro"}, "vfs": {offlineVFSName}}
	if !log {
		q.Set("immutable", "1")
	}
	c, err := sqlite3.OpenFlags(fileURI(path, q), sqlite3.OPEN_READONLY|sqlite3.OPEN_URI)
	if err != nil {
		return nil, err
	}
	err = c.Exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA temp_store=MEMORY; PRAGMA query_only=ON")
	if err == nil {
		_, err = c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &conn{Conn: c}, nil
}

// identify refuses a file that is no store of a version that this program knows: nothing
// can be said of its damage.
func (k *checker) identify() error {
	app, err := k.c.one("PRAGMA application_id")
	if err == nil && app != applicationID {
		return unmarked(k.c, app, k.r.Path)
	}
	if err == nil {
		k.version, err = k.c.one("PRAGMA user_version")
	}
	if err == nil && (k.version < 1 || k.version > schemaVersion) {
		return fmt.Errorf("the store has version %d, this program knows up to %d: use the program it belongs to", k.version, schemaVersion)
	}
	if errors.Is(err, sqlite3.NOTADB) {
		return fmt.Errorf("%s is no database, or its first page is damaged: %w", k.r.Path, err)
	}
	return err
}

// checkFileLength finds a file that was cut short. A log may hold what is missing.
func (k *checker) checkFileLength(size int64) error {
	f, err := os.Open(k.r.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [32]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return err
	}
	page := int64(binary.BigEndian.Uint16(head[16:]))
	if page == 1 {
		page = 64 << 10
	}
	if want := int64(binary.BigEndian.Uint32(head[28:])) * page; size < want {
		k.r.damage("the file was cut short: it has %d of %d bytes", size, want)
	}
	return nil
}
