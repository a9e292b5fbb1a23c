package sqlite

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

// medium is a disk with an operating system's page cache in front of it. It
// outlives the processes (boots) that write to it.
type medium struct {
	mu    sync.Mutex
	files map[string]*mediumFile
	boot  *boot
	other *boot // of another process, nil if there is none

	syncs  spooltest.Syncs // guards itself
	writes int
	short  shortWrites
}

const cachePage = 4096

// mediumFile is what the cache holds, and what the disk holds.
type mediumFile struct {
	cur, stable []byte
	dirty       map[int64]bool // cached pages written since the last sync
}

func newMedium() *medium { return &medium{files: map[string]*mediumFile{}} }

// boot is one life of a process: a VFS of its own over the medium.
type boot struct {
	m    *medium
	name string
	shm  string
	dead chan struct{}

	locks map[string]*fileLocks
}

// fileLocks are those of the rollback protocol, which a log uses when it is
// opened and closed.
type fileLocks struct {
	shared            int
	reserved, pending bool
}

var boots atomic.Int64

// start begins a life. shm is a real directory for the shared memory.
func (m *medium) start(shm string) *boot {
	n := boots.Add(1)
	b := &boot{
		m: m, name: fmt.Sprintf("crash%d", n), shm: filepath.Join(shm, fmt.Sprintf("shm%d", n)),
		dead: make(chan struct{}), locks: map[string]*fileLocks{},
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.other != nil {
		b.shm, b.locks = m.other.shm, m.other.locks
	}
	m.boot = b
	vfs.Register(b.name, b)
	return b
}

// beside begins a life that outlasts the next ones: a process that shares locks
// and memory with them.
func (m *medium) beside(shm string) *boot {
	b := m.start(shm)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boot, m.other = nil, b
	return b
}

// end is a kill. With the cache lost it is a power cut; keep says which pages
// that were not synced had reached the disk by chance.
func (m *medium) end(cacheLost bool, keep func() bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.boot != nil {
		close(m.boot.dead)
		m.boot = nil
	}
	m.syncs.Reset()
	m.short = shortWrites{}
	if !cacheLost {
		return
	}
	if m.other != nil {
		close(m.other.dead)
		m.other = nil
	}
	for _, f := range m.files {
		for p := range f.dirty {
			if keep != nil && keep() {
				f.flush(p)
			}
		}
		f.cur = append([]byte(nil), f.stable...)
		f.dirty = map[int64]bool{}
	}
}

func (f *mediumFile) flush(page int64) {
	from := page * cachePage
	to := min(from+cachePage, int64(len(f.cur)))
	if from >= to {
		return
	}
	if int64(len(f.stable)) < to {
		f.stable = append(f.stable, make([]byte, to-int64(len(f.stable)))...)
	}
	copy(f.stable[from:to], f.cur[from:to])
}

var (
	errDead   = errors.New("the process is dead")
	errMedium = errors.New("medium failed")
)

// alive is called with mu held.
func (b *boot) alive() error {
	select {
	case <-b.dead:
		return vfs.SystemError(errDead, sqlite3.IOERR)
	default:
		return nil
	}
}

func (b *boot) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	if err := b.alive(); err != nil {
		return nil, flags, err
	}
	if name == "" {
		return nil, flags, sqlite3.CANTOPEN // nothing of ours needs temporary files
	}
	f := b.m.files[name]
	if f == nil {
		if flags&vfs.OPEN_CREATE == 0 {
			return nil, flags, sqlite3.CANTOPEN
		}
		f = &mediumFile{dirty: map[int64]bool{}}
		b.m.files[name] = f
	}
	if b.locks[name] == nil {
		b.locks[name] = &fileLocks{}
	}
	return &crashFile{
		b: b, f: f, locks: b.locks[name],
		shm: vfs.NewSharedMemory(b.shm, flags),
	}, flags, nil
}

func (b *boot) Delete(name string, _ bool) error {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	if err := b.alive(); err != nil {
		return err
	}
	if b.m.files[name] == nil {
		return sqlite3.IOERR_DELETE_NOENT
	}
	delete(b.m.files, name)
	return nil
}

func (b *boot) Access(name string, _ vfs.AccessFlag) (bool, error) {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	return b.m.files[name] != nil, nil
}

func (b *boot) FullPathname(name string) (string, error) { return name, nil }

type crashFile struct {
	b     *boot
	f     *mediumFile
	locks *fileLocks
	lock  vfs.LockLevel
	shm   vfs.SharedMemory
}

func (c *crashFile) SharedMemory() vfs.SharedMemory { return c.shm }

func (c *crashFile) Close() error {
	if c.shm != nil {
		c.shm.Close()
	}
	return c.Unlock(vfs.LOCK_NONE)
}

func (c *crashFile) ReadAt(p []byte, off int64) (int, error) {
	c.b.m.mu.Lock()
	defer c.b.m.mu.Unlock()
	if err := c.b.alive(); err != nil {
		return 0, err
	}
	if off >= int64(len(c.f.cur)) {
		return 0, io.EOF
	}
	n := copy(p, c.f.cur[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c *crashFile) WriteAt(p []byte, off int64) (int, error) {
	c.b.m.mu.Lock()
	defer c.b.m.mu.Unlock()
	if err := c.b.alive(); err != nil {
		return 0, err
	}
	whole := len(p)
	p = p[:c.b.m.fits(whole)]
	end := off + int64(len(p))
	if grow := end - int64(len(c.f.cur)); grow > 0 {
		c.f.cur = append(c.f.cur, make([]byte, grow)...)
	}
	copy(c.f.cur[off:], p)
	for page := off / cachePage; page*cachePage < end; page++ {
		c.f.dirty[page] = true
	}
	if len(p) < whole {
		return len(p), vfs.SystemError(errMedium, sqlite3.FULL)
	}
	return len(p), nil
}

func (c *crashFile) Truncate(size int64) error {
	c.b.m.mu.Lock()
	defer c.b.m.mu.Unlock()
	if err := c.b.alive(); err != nil {
		return err
	}
	if size < int64(len(c.f.cur)) {
		c.f.cur = c.f.cur[:size:size]
	}
	return nil
}

// Sync makes durable what is dirty. Where it fails, the dirty pages count as
// clean and stay readable, so that a later sync passes over them.
func (c *crashFile) Sync(vfs.SyncFlag) error {
	m := c.b.m
	m.syncs.Pass(c.b.dead)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := c.b.alive(); err != nil {
		return err
	}
	fail := m.syncs.Fails()
	if !fail {
		if len(c.f.stable) > len(c.f.cur) {
			c.f.stable = c.f.stable[:len(c.f.cur):len(c.f.cur)]
		}
		for p := range c.f.dirty {
			c.f.flush(p)
		}
		if grow := len(c.f.cur) - len(c.f.stable); grow > 0 {
			c.f.stable = append(c.f.stable, make([]byte, grow)...)
		}
	}
	clear(c.f.dirty)
	if fail {
		return vfs.SystemError(errMedium, sqlite3.IOERR_FSYNC)
	}
	return nil
}

func (c *crashFile) Size() (int64, error) {
	c.b.m.mu.Lock()
	defer c.b.m.mu.Unlock()
	return int64(len(c.f.cur)), c.b.alive()
}

func (c *crashFile) Lock(lock vfs.LockLevel) error {
	c.b.m.mu.Lock()
	defer c.b.m.mu.Unlock()
	if c.lock >= lock {
		return nil
	}
	l := c.locks
	switch lock {
	case vfs.LOCK_SHARED:
		if l.pending {
			return sqlite3.BUSY
		}
		l.shared++
	case vfs.LOCK_RESERVED:
		if l.reserved {
			return sqlite3.BUSY
		}
		l.reserved = true
	case vfs.LOCK_EXCLUSIVE:
		if c.lock == vfs.LOCK_RESERVED {
			c.lock, l.pending = vfs.LOCK_PENDING, true
		}
		if l.shared > 1 {
			return sqlite3.BUSY
		}
		l.pending = true
	}
	c.lock = lock
	return nil
}

func (c *crashFile) Unlock(lock vfs.LockLevel) error {
	c.b.m.mu.Lock()
	defer c.b.m.mu.Unlock()
	if c.lock <= lock {
		return nil
	}
	if c.lock >= vfs.LOCK_RESERVED {
		c.locks.reserved = false
	}
	if c.lock >= vfs.LOCK_PENDING {
		c.locks.pending = false
	}
	if lock < vfs.LOCK_SHARED {
		c.locks.shared--
	}
	c.lock = lock
	return nil
}

func (c *crashFile) CheckReservedLock() (bool, error) {
	c.b.m.mu.Lock()
	defer c.b.m.mu.Unlock()
	return c.locks.reserved, nil
}

func (c *crashFile) LockState() vfs.LockLevel { return c.lock }
func (c *crashFile) SectorSize() int          { return 4096 }

func (c *crashFile) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return vfs.IOCAP_POWERSAFE_OVERWRITE | vfs.IOCAP_SUBPAGE_READ
}

// half keeps every other page by chance.
func half(seed uint64) func() bool {
	r := rand.New(rand.NewPCG(seed, 1))
	return func() bool { return r.IntN(2) == 0 }
}
