package postgres

import (
	"net"
	"testing"
	"time"
)

// TestALookAtASocketWaitsForNoReader: a reader that pgx has left behind keeps no call from
// the database.
func TestALookAtASocketWaitsForNoReader(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	begun := make(chan struct{})
	go func() {
		defer close(read)
		close(begun)
		for b := make([]byte, 1); ; {
			if _, err := c.Read(b); err != nil {
				return
			}
		}
	}()
	<-begun
	// The reader has the lock once it waits; a look before that proves nothing and does
	// no harm.
	for range 50 {
		found := make(chan peeked, 1)
		go func() { found <- peek(c) }()
		select {
		case got := <-found:
			if got != peekNothing {
				t.Errorf("found %v, want nothing", got)
			}
		case <-time.After(10 * time.Second):
			t.Error("the look waits for the reader")
			other.Close()
			<-found
			c.Close()
			<-read
			return
		}
	}
	other.Close()
	<-read
	if got := peek(c); got != peekEnd {
		t.Errorf("after the other end has gone: found %v, want the end", got)
	}
	c.Close()
}
