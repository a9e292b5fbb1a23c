//go:build unix

package sqlite

import "golang.org/x/sys/unix"

// noFollow refuses to open what is a symbolic link.
const noFollow = unix.O_NOFOLLOW
