//go:build unix

package cli

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// ownerOf returns the name of the user to whom a file belongs, or the directory that
// hides it.
func ownerOf(path string) string {
	for {
		info, err := os.Stat(path)
		if err != nil && path != filepath.Dir(path) {
			path = filepath.Dir(path)
			continue
		}
		if err != nil {
			return "root"
		}
		id := ""
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			id = strconv.FormatUint(uint64(owner.Uid), 10)
		}
		if u, err := user.LookupId(id); err == nil {
			return u.Username
		}
		return id
	}
}
