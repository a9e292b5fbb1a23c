package proctest

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Terminal returns both ends of a pseudo-terminal: what a program has, and what the user
// sees and types. Where there are none it skips, and fails in CI.
func Terminal(t testing.TB) (tty, user *os.File) {
	t.Helper()
	tty, user, err := openTerminal()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("no pseudo-terminals here: %v", err)
	default:
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() {
		_ = tty.Close()
		_ = user.Close()
	})
	return tty, user
}

// openTerminal asks through SyscallConn: Fd would make every later read one that nothing
// can end.
func openTerminal() (tty, user *os.File, err error) {
	if user, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	c, err := user.SyscallConn()
	number := 0
	if err == nil {
		var asked error
		err = c.Control(func(fd uintptr) {
			if number, asked = unix.IoctlGetInt(int(fd), unix.TIOCGPTN); asked == nil {
				asked = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
			}
		})
		err = errors.Join(err, asked)
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		_ = user.Close()
		return nil, nil, err
	}
	return tty, user, nil
}
