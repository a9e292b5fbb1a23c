package term

import (
	"io"
	"os"
)

// Keys is a terminal whose keys are read one by one, without Enter and without being
// shown. Ctrl-C and Ctrl-Z still do what they do.
type Keys struct {
	from *os.File
	own  bool   // from was opened here
	back func() // gives the terminal back
}

// OpenKeys begins to read single keys of f. It reports false where f is no terminal, or
// where this process is in the background and would be stopped for reading.
func OpenKeys(f *os.File) (*Keys, bool) {
	if f == nil {
		return nil, false
	}
	back, controls, ok := single(f)
	if !ok {
		return nil, false
	}
	k := &Keys{from: f, back: back}
	if controls {
		// A file of our own, because a read of the standard input cannot be ended.
		if tty, err := os.OpenFile("/dev/tty", os.O_RDONLY, 0); err == nil {
			k.from, k.own = tty, true
		}
	}
	return k, true
}

var _ io.ReadCloser = (*Keys)(nil)

// Read returns keys as they are pressed.
func (k *Keys) Read(p []byte) (int, error) { return k.from.Read(p) }

// Close gives the terminal back, and ends reads where the system can do that.
func (k *Keys) Close() error {
	k.back()
	if k.own {
		return k.from.Close()
	}
	return interrupt(k.from)
}
