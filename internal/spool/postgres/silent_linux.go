package postgres

import (
	"errors"
	"net"
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

// peek looks at what the other end has sent, without taking it. It does not wait for who
// reads the socket: pgx may have left a reader there, which waits for what comes next.
func peek(c net.Conn) (found peeked) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return peekNothing
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return peekEnd
	}
	var b [1]byte
	found = peekEnd
	_ = raw.Control(func(fd uintptr) {
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			found = peekNothing
		case err == nil && n > 0:
			found = peekData
		}
	})
	return found
}
