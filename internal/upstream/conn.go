package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
)

// TornBody ends the body of an answer where it breaks off, without an error.
type TornBody struct{ io.ReadCloser }

// Read implements io.Reader.
func (b TornBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

// DialFunc makes a connection, as http.Transport has it done.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// DialEarly returns a dial whose connections read an answer that comes before the
// request was sent whole.
func DialEarly(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return earlyConn{conn}, nil
	}
}

// earlyConn keeps silent about a write that finds the other end closed. An app may
// answer and close before it has read the request; the answer can still be read, but
// net/http gives up at the failed write. Where there is none, the read fails.
type earlyConn struct{ net.Conn }

func (c earlyConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return len(p), nil
	}
	return n, err
}
