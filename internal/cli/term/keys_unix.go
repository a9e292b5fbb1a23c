//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package term

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// single makes a terminal give each key at once. back undoes that; controls reports
// whether it is the terminal that this process was started from.
//
// It asks through SyscallConn, because Fd would make every later read one that nothing
// can end.
func single(f *os.File) (back func(), controls, ok bool) {
	c, err := f.SyscallConn()
	if err != nil {
		return nil, false, false
	}
	var was unix.Termios
	var asked error
	background := false
	err = c.Control(func(fd uintptr) {
		var now *unix.Termios
		if now, asked = unix.IoctlGetTermios(int(fd), getTermios); asked != nil {
			return
		}
		if group, e := unix.IoctlGetInt(int(fd), unix.TIOCGPGRP); e == nil {
			controls, background = true, group != unix.Getpgrp()
		}
		if background {
			return
		}
		was = *now
		now.Lflag &^= unix.ICANON | unix.ECHO
		now.Cc[unix.VMIN], now.Cc[unix.VTIME] = 1, 0
		asked = unix.IoctlSetTermios(int(fd), setTermios, now)
	})
	if err != nil || asked != nil || background {
		return nil, false, false
	}
	return func() {
		_ = c.Control(func(fd uintptr) { _ = unix.IoctlSetTermios(int(fd), setTermios, &was) })
	}, controls, true
}

// interrupt ends the reads of f.
func interrupt(f *os.File) error {
	err := f.SetReadDeadline(time.Unix(1, 0))
	if errors.Is(err, os.ErrNoDeadline) {
		return nil // The read ends with the process.
	}
	return err
}
