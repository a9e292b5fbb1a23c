//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// conn is one kept connection. It knows just as much of HTTP/1.1 as the
// servers here speak, so that it costs less than they do.
type conn struct {
	net.Conn
	out  []byte
	in   []byte
	want []byte // what a good answer's head holds
}

// patience bounds the wait for one answer. The gate answers within 8 s.
const patience = 20 * time.Second

func dial(addr, want string) (*conn, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return &conn{Conn: c, in: make([]byte, 16<<10), want: []byte(want)}, nil
}

var (
	errAnswer   = errors.New("not the answer that was wanted")
	headEnd     = []byte("\r\n\r\n")
	lengthField = []byte("\r\ncontent-length:")
)

// send writes the nth request.
func (c *conn) send(l *load, n int) error {
	c.out = l.appendTo(c.out[:0], n)
	_, err := c.Write(c.out)
	return err
}

// receive reads one answer. errAnswer means that it was a whole one, though not
// the wanted, so that the connection goes on.
func (c *conn) receive() error {
	have := 0
	for {
		n, err := c.Read(c.in[have:])
		if err != nil {
			return err
		}
		have += n
		head := bytes.Index(c.in[:have], headEnd)
		if head < 0 {
			if have == len(c.in) {
				return errors.New("the answer's head is too long")
			}
			continue
		}
		length, err := contentLength(c.in[:head])
		if err != nil {
			return err
		}
		if err := c.skip(head + len(headEnd) + length - have); err != nil {
			return err
		}
		return c.judge(c.in[:head])
	}
}

// skip reads the rest of a body.
func (c *conn) skip(rest int) error {
	if rest < 0 {
		return errors.New("the answer has more bytes than it said")
	}
	var sink [1024]byte
	for rest > 0 {
		n, err := c.Read(sink[:min(rest, len(sink))])
		if err != nil {
			return err
		}
		rest -= n
	}
	return nil
}

func (c *conn) judge(head []byte) error {
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) || !bytes.Contains(head, c.want) {
		return errAnswer
	}
	return nil
}

// contentLength finds the length, which every server here gives.
func contentLength(head []byte) (int, error) {
	for at := 0; ; {
		end := bytes.Index(head[at:], []byte("\r\n"))
		if end < 0 {
			return 0, errors.New("the answer has no length")
		}
		at += end
		name := head[at:min(len(head), at+len(lengthField))]
		if !bytes.EqualFold(name, lengthField) {
			at += 2
			continue
		}
		text := head[at+len(lengthField):]
		if end := bytes.IndexByte(text, '\r'); end >= 0 {
			text = text[:end]
		}
		return strconv.Atoi(string(bytes.TrimSpace(text)))
	}
}

// exchange sends one request and waits for its answer.
func (c *conn) exchange(l *load, n int) error {
	if err := c.send(l, n); err != nil {
		return err
	}
	return c.receive()
}
