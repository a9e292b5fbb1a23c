//go:build linux

package pgtest

import (
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Marks with which a client's statements begin. The first statement of each transaction
// says so what the transaction is.
const (
	// Durable marks what is to outlive the loss of the server's machine.
	Durable = "/* durable */"
	// Relaxed marks the others. They pass every fault, as what is not marked does.
	Relaxed = "/* relaxed */"
)

// A session is one connection of a Client. It reads along in both directions, to know
// which process of the server it has, and when a durable transaction is about to commit.
type session struct {
	net.Conn
	client *Client
	// over is closed by Close.
	over  chan struct{}
	close sync.Once

	// What the client has written and is not a whole message yet; its writes are one
	// after the other.
	written []byte
	begun   bool // The first message, which has no type, has passed.
	// marked holds the mark of each prepared statement, by its name.
	marked map[string]string

	durable atomic.Bool // The transaction is marked.
	mute    atomic.Bool // The client reads nothing more.
	pid     atomic.Int64

	answer scanner // of what the server has sent; reads are one after the other too.
}

// Write passes on whole messages, and asks the pair before it passes the end of a durable
// transaction.
func (s *session) Write(b []byte) (int, error) {
	s.written = append(s.written, b...)
	var ready []byte // What may pass at once.
	for {
		kind, message, ok := s.next()
		if !ok {
			break
		}
		switch {
		case kind == 'P':
			name, text := names(message)
			s.marked[name] = mark(text)
		case kind == 'B':
			if _, name := names(message); s.marked[name] != "" {
				s.durable.Store(s.marked[name] == Durable)
			}
		case (kind == 'S' || kind == 'Q') && s.durable.Load():
			if err := s.pass(ready); err != nil {
				return 0, err
			}
			ready = nil
			if err := s.client.pair.commit(s, message); err != nil {
				return 0, err
			}
			continue
		}
		ready = append(ready, message...)
	}
	if err := s.pass(ready); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (s *session) pass(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := s.Conn.Write(b)
	return err
}

// next takes a whole message off what was written.
func (s *session) next() (kind byte, message []byte, ok bool) {
	head := 1
	if !s.begun {
		head = 0
	}
	if len(s.written) < head+4 {
		return 0, nil, false
	}
	size := head + int(binary.BigEndian.Uint32(s.written[head:]))
	if len(s.written) < size {
		return 0, nil, false
	}
	message, s.written = s.written[:size:size], s.written[size:]
	if s.begun {
		kind = message[0]
	}
	s.begun = true
	return kind, message, true
}

// names returns the two texts that a message begins with: of Parse the name of the
// statement and its text, of Bind the names of the portal and of the statement.
func names(message []byte) (first, second string) {
	one, rest, _ := bytes.Cut(message[5:], []byte{0})
	two, _, _ := bytes.Cut(rest, []byte{0})
	return string(one), string(two)
}

// mark returns the mark that a statement begins with, or nothing.
func mark(statement string) string {
	for _, m := range []string{Durable, Relaxed} {
		if strings.HasPrefix(statement, m) {
			return m
		}
	}
	return ""
}

// Read reads what the server has sent.
func (s *session) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if s.mute.Load() {
		<-s.over
		return 0, net.ErrClosed
	}
	s.answer.scan(b[:n], func(kind byte, body []byte) {
		switch {
		case kind == 'K':
			pid := int(binary.BigEndian.Uint32(body))
			s.pid.Store(int64(pid))
			s.client.began(pid)
		case kind == 'Z' && body[0] == 'I': // No transaction is open.
			s.durable.Store(false)
		}
	})
	return n, err
}

// Close closes the connection.
func (s *session) Close() error {
	s.close.Do(func() { close(s.over) })
	s.client.ended(s)
	return s.Conn.Close()
}

// A scanner finds the messages in what a server sends, wherever it is cut.
type scanner struct {
	head []byte // Of the message that is being read: its type and length, and the first bytes.
	left int    // How many bytes of it are still to come.
}

// kept is how much of each message the scanner keeps: type, length and four bytes.
const kept = 9

// scan goes on with the next bytes, and tells of each message that is complete: its type
// and its first bytes.
func (c *scanner) scan(b []byte, tell func(kind byte, body []byte)) {
	for len(b) > 0 {
		if len(c.head) < 5 {
			n := min(5-len(c.head), len(b))
			c.head, b = append(c.head, b[:n]...), b[n:]
			if len(c.head) < 5 {
				return
			}
			c.left = int(binary.BigEndian.Uint32(c.head[1:])) - 4
		}
		n := min(c.left, len(b))
		c.head = append(c.head, b[:min(n, kept-len(c.head))]...)
		c.left, b = c.left-n, b[n:]
		if c.left > 0 {
			return
		}
		tell(c.head[0], c.head[5:])
		c.head = c.head[:0]
	}
}

// SyscallConn gives access to the socket, as that of a net.TCPConn does.
func (s *session) SyscallConn() (syscall.RawConn, error) {
	return s.Conn.(syscall.Conn).SyscallConn()
}
