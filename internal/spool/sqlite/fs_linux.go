package sqlite

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Network file systems keep neither locks between machines nor the shared
// memory of the log in step, and some answer an fsync early. FUSE is among
// them because it hides what is behind it.
var networkFS = map[uint32]string{
	unix.NFS_SUPER_MAGIC:  "NFS",
	unix.SMB_SUPER_MAGIC:  "SMB",
	0xfe534d42:            "SMB", // SMB2
	unix.CIFS_SUPER_MAGIC: "CIFS",
	unix.V9FS_MAGIC:       "9p",
	unix.FUSE_SUPER_MAGIC: "FUSE",
	unix.AFS_SUPER_MAGIC:  "AFS",
	unix.CODA_SUPER_MAGIC: "Coda",
	unix.CEPH_SUPER_MAGIC: "Ceph",
	unix.NCP_SUPER_MAGIC:  "NCP",
}

// checkFileSystem refuses a directory on one of networkFS.
func checkFileSystem(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("looking at file system: %w", err)
	}
	return checkMagic(dir, uint32(st.Type))
}

// checkMagic is checkFileSystem for a number that statfs has given.
func checkMagic(dir string, magic uint32) error {
	if name := networkFS[magic]; name != "" {
		return fmt.Errorf("%s is on %s: a store needs a local file system", dir, name)
	}
	return nil
}
