package term

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// pseudo returns both ends of a pseudo-terminal: what a program has, and what the user
// types into.
func pseudo(t *testing.T) (tty, user *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		absent(t, err)
	}
	t.Cleanup(func() { user.Close() })
	c, err := user.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	_ = c.Control(func(fd uintptr) {
		if n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN); err == nil {
			err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		}
	})
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		absent(t, err)
	}
	t.Cleanup(func() { tty.Close() })
	return tty, user
}

// absent skips, and fails in CI.
func absent(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("no pseudo-terminals here: %v", err)
	}
	t.Skipf("no pseudo-terminals here: %v", err)
}

func modes(t *testing.T, f *os.File) (got unix.Termios) {
	t.Helper()
	c, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Control(func(fd uintptr) {
		var now *unix.Termios
		if now, err = unix.IoctlGetTermios(int(fd), getTermios); err == nil {
			got = *now
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A key comes without Enter and is not shown; Close ends a read that waits, and leaves
// the terminal as it was.
func TestKeys(t *testing.T) {
	t.Parallel()
	tty, user := pseudo(t)
	was := modes(t, tty)
	k, ok := OpenKeys(tty)
	if !ok {
		t.Fatal("it takes a terminal for none")
	}
	if _, err := user.WriteString("d"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	if n, err := k.Read(b); err != nil || string(b[:n]) != "d" {
		t.Errorf("got %q, %v", b[:n], err)
	}
	if now := modes(t, tty); now.Lflag&(unix.ICANON|unix.ECHO) != 0 || now.Lflag&unix.ISIG == 0 || now.Oflag != was.Oflag {
		t.Errorf("the terminal is in mode %x, %x", now.Lflag, now.Oflag)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := k.Read(b)
		ended <- err
	}()
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("a read goes on after Close")
	}
	if now := modes(t, tty); now != was {
		t.Errorf("the terminal is left as %+v, it was %+v", now, was)
	}
}

func TestKeysOfNoTerminal(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, f := range []*os.File{nil, file, r, null} {
		if k, ok := OpenKeys(f); ok || k != nil {
			t.Errorf("%v is taken for a terminal", f)
		}
	}
}
