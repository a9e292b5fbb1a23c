package postgres

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// dropSilent has the kernel give up a connection whose other machine acknowledges
// nothing. Without it a write to a machine that vanished would be repeated for a
// quarter of an hour.
func dropSilent(network, _ string, c syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var err error
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silentWithin.Milliseconds()))
	}); e != nil {
		return e
	}
	return err
}
