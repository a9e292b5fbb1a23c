package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"strconv"

	"github.com/dustin/go-humanize"
)

// copyPrefix begins the name that the file of a copy has for a moment.
const copyPrefix = ".backup-"

var (
	// Copies, and the journals that former versions made beside them.
	leftCopy = regexp.MustCompile(`^\.backup-([0-9]+)(-journal)?$`)
	// Former versions made them in a directory of their own.
	leftDir = regexp.MustCompile(`^backup-([0-9]+)$`)
	// A number of a person's, which is a day and perhaps an hour.
	dayLike = regexp.MustCompile(`^(19|20)[0-9]{2}(0[1-9]|1[0-2])([0-2][0-9]|3[01])`)
)

// isCopyNumber reports whether a number is one that was drawn for a copy: of 32 bits,
// written plainly, and not what a person would write for a day.
func isCopyNumber(number string) bool {
	n, err := strconv.ParseUint(number, 10, 32)
	return err == nil && strconv.FormatUint(n, 10) == number && !dayLike.MatchString(number)
}

// sweepCopies removes what is left of copies that former processes were making when
// they were killed, before anything needs the room. It removes files from a directory
// that people use, so it takes only what looks in every respect as this program made
// it, and follows no link.
func (s *Store) sweepCopies() {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return // Opening the store reports it.
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return
	}
	for _, e := range entries {
		var freed int64
		var err error
		if m := leftCopy.FindStringSubmatch(e.Name()); m != nil && e.Type().IsRegular() && isCopyNumber(m[1]) {
			freed, err = removeFile(root, e.Name())
		} else if m := leftDir.FindStringSubmatch(e.Name()); m != nil && e.IsDir() && isCopyNumber(m[1]) {
			freed, err = removeLeftDir(root, e.Name())
		} else {
			continue
		}
		switch {
		case errors.Is(err, errNotLeft):
		case err != nil:
			s.log.Warn("removing what a broken-off backup left failed; it takes room, and holds events: remove it by hand", "path", s.dir+"/"+e.Name(), "error", err)
		default:
			s.log.Info("removed what a broken-off backup left", "path", s.dir+"/"+e.Name(), "freed", humanize.IBytes(uint64(freed)))
		}
	}
}

var errNotLeft = errors.New("not of a backup")

// removeLeftDir removes a directory that is private and holds nothing but the
// files of one copy.
func removeLeftDir(root *os.Root, name string) (freed int64, err error) {
	fi, err := root.Lstat(name)
	if err != nil {
		return 0, err
	}
	if unixFiles && fi.Mode().Perm() != 0o700 {
		return 0, errNotLeft
	}
	dir, err := root.OpenRoot(name)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	files, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		fi, err := dir.Lstat(f.Name())
		if err != nil {
			return 0, err
		}
		if f.Name() != "spool.db" && !leftCopy.MatchString(f.Name()) || !isPrivate(fi) {
			return 0, errNotLeft
		}
	}
	for _, f := range files {
		n, err := removeFile(dir, f.Name())
		if freed += n; err != nil {
			return freed, err
		}
	}
	return freed, root.Remove(name)
}

// removeFile removes one private file, and returns its size.
func removeFile(root *os.Root, name string) (freed int64, err error) {
	fi, err := root.Lstat(name)
	if err != nil {
		return 0, err
	}
	if !isPrivate(fi) {
		return 0, errNotLeft
	}
	return fi.Size(), root.Remove(name)
}

// isPrivate reports whether a file has the mode of all files we make.
func isPrivate(fi fs.FileInfo) bool {
	return fi.Mode().IsRegular() && (!unixFiles || fi.Mode().Perm() == 0o600)
}

// unixFiles reports that files have modes here, and that an open one needs no name.
const unixFiles = runtime.GOOS != "windows"
