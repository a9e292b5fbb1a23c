package term

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

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
	tty, user := proctest.Terminal(t)
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
