package sqlite

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// offlineVFSName is the VFS of files that are read and never written.
const offlineVFSName = "inbox-offline"

func init() { vfs.Register(offlineVFSName, offlineVFS{}) }

// offlineVFS opens files for reading alone, and makes none: not even the index of a
// log, which SQLite then keeps in memory (locking_mode=EXCLUSIVE). It locks nothing:
// findOffline has the lock of the whole directory.
type offlineVFS struct{}

func (offlineVFS) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	if name == "" || flags&(vfs.OPEN_MAIN_DB|vfs.OPEN_WAL) == 0 {
		return nil, flags, sqlite3.CANTOPEN
	}
	f, err := os.OpenFile(name, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, flags, sqlite3.CANTOPEN
	}
	return offlineFile{f}, flags&^(vfs.OPEN_READWRITE|vfs.OPEN_CREATE) | vfs.OPEN_READONLY, nil
}

func (offlineVFS) Delete(string, bool) error { return sqlite3.IOERR_DELETE }

func (offlineVFS) Access(name string, flags vfs.AccessFlag) (bool, error) {
	_, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) || flags == vfs.ACCESS_READWRITE {
		return false, nil
	}
	return err == nil, err
}

func (offlineVFS) FullPathname(name string) (string, error) { return filepath.Abs(name) }

// offlineFile is a file of offlineVFS.
type offlineFile struct{ f *os.File }

func (s offlineFile) Close() error { return s.f.Close() }

func (s offlineFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := s.f.ReadAt(b, at)
	if err != nil && !errors.Is(err, io.EOF) {
		err = sqlite3.IOERR_READ
	}
	return n, err
}

func (offlineFile) WriteAt([]byte, int64) (int, error) { return 0, sqlite3.IOERR_WRITE }
func (offlineFile) Truncate(int64) error               { return sqlite3.IOERR_TRUNCATE }
func (offlineFile) Sync(vfs.SyncFlag) error            { return nil }

func (s offlineFile) Size() (int64, error) {
	info, err := s.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (offlineFile) Lock(vfs.LockLevel) error                        { return nil }
func (offlineFile) Unlock(vfs.LockLevel) error                      { return nil }
func (offlineFile) CheckReservedLock() (bool, error)                { return false, nil }
func (offlineFile) SectorSize() int                                 { return 0 }
func (offlineFile) DeviceCharacteristics() vfs.DeviceCharacteristic { return 0 }
