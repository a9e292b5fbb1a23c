package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// ourNames are the names that a data directory may have from us; those that begin
// with a dot, and backup-*, are tools' and file systems'.
var ourNames = []string{"lock", "spool.db", "spool.db-wal", "spool.db-shm", "spool.db-journal", "acknowledged", "admin.sock", "lost+found", "caddy"}

// systemDirs belong to everybody. They are no place for a new store, however
// empty.
var systemDirs = []string{
	"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var",
	"/var/cache", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp", "/usr/local",
}

// PrepareDir makes dir, which only its user may read, or checks whether a directory
// that is there can hold a store: it must be writable, not open to everybody, and,
// unless a store is in it, have no files of others. What is there already keeps its
// mode. An error is one sentence that names the directory and what to do.
func PrepareDir(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(dir, 0o700)
		if err == nil {
			info, err = os.Stat(dir)
		}
	}
	switch {
	case err != nil:
		return describe(dir, err)
	case !info.IsDir():
		return fmt.Errorf("the data directory %s is a file: name a directory, which is made if it is not there", dir)
	case info.Mode().Perm()&0o002 != 0:
		return fmt.Errorf("everybody may write to the data directory %s (mode %04o): use a subdirectory of it that is made then, such as %s, or take that right away with chmod o-w",
			dir, info.Mode().Perm(), filepath.Join(dir, "inbox"))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return describe(dir, err)
	}
	store, err := checkEntries(dir, entries)
	if err != nil {
		return err
	}
	// A store that is there can be read and emptied on a full disk.
	if err := tryWriting(dir); err != nil && !(store && isDiskFull(err)) {
		return describe(dir, err)
	}
	return checkFileSystem(dir)
}

// isDiskFull reports whether err is about room on the disk.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// checkEntries refuses a directory with other programs' files, and links under our
// names: only someone who wants us to write elsewhere puts them there. store reports
// that a store is in it.
func checkEntries(dir string, entries []fs.DirEntry) (store bool, err error) {
	foreign := ""
	for _, e := range entries {
		name := e.Name()
		known := slices.Contains(ourNames, name)
		store = store || name == "spool.db"
		own := known || e.Type()&fs.ModeSocket != 0 // The operator's may have another name.
		if !own && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "backup-") && foreign == "" {
			foreign = name
		}
		if known && e.Type()&fs.ModeSymlink != 0 {
			return false, fmt.Errorf("%s is a symbolic link, and the store would write to where it leads: remove it, and see who may write to the directory", filepath.Join(dir, name))
		}
	}
	if store {
		return true, nil
	}
	if slices.Contains(systemDirs, filepath.Clean(dir)) {
		return false, fmt.Errorf("the data directory %s belongs to the whole system: use a directory of its own, such as %s", dir, filepath.Join(dir, "inboxgate"))
	}
	if foreign != "" {
		return false, fmt.Errorf("the data directory %s holds files of somebody else (%s) and no store: use a subdirectory of it, such as %s", dir, foreign, filepath.Join(dir, "inbox"))
	}
	return false, nil
}

// tryWriting makes a file and removes it again: modes alone do not say whether that works.
func tryWriting(dir string) error {
	f, err := os.CreateTemp(dir, ".try-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString("x")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// describe returns what is wrong with a data directory and what to do about it.
func describe(dir string, err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the data directory %s is on a read-only file system: mount it for writing, or choose another directory: %w", dir, syscall.EROFS)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the data directory %s cannot be made or written by user %d: give it to that user with chown, or choose another directory: %w", dir, os.Geteuid(), fs.ErrPermission)
	case isDiskFull(err):
		return fmt.Errorf("the data directory %s has no room for another file (of bytes, or of inodes: see df and df -i): free some, or choose another directory: %w", dir, syscall.ENOSPC)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("a part of the path of the data directory %s is a file: choose another directory: %w", dir, syscall.ENOTDIR)
	}
	return fmt.Errorf("the data directory %s cannot be used: choose another directory: %w", dir, err)
}
