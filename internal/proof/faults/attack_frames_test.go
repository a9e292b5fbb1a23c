package faults

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/verify"
)

// http2Client speaks the frames of HTTP/2 itself, to break their order.
type http2Client struct {
	*http2.Framer
	conn   net.Conn
	fields bytes.Buffer
	enc    *hpack.Encoder
	addr   string
	stream uint32 // the next
}

func newHTTP2Client(t *testing.T, addr string) *http2Client {
	t.Helper()
	c := &http2Client{conn: dialHTTP2(t, addr), addr: addr, stream: 1}
	c.enc = hpack.NewEncoder(&c.fields)
	c.Framer = http2.NewFramer(c.conn, c.conn)
	c.AllowIllegalWrites = true
	if _, err := io.WriteString(c.conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return c
}

// header is the header block of an event's request.
func (c *http2Client) header(e history.Event) []byte {
	c.fields.Reset()
	for _, f := range [][2]string{
		{":method", "POST"},
		{":scheme", "https"},
		{":authority", c.addr},
		{":path", rig.Path},
		{"content-type", "application/json"},
		{strings.ToLower(verify.Header), e.Signature},
	} {
		_ = c.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // A buffer takes everything.
	}
	return bytes.Clone(c.fields.Bytes())
}

// send begins a stream with an event's whole request and returns its number.
func (c *http2Client) send(e history.Event) (stream uint32, err error) {
	stream = c.stream
	c.stream += 2
	if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: c.header(e), EndHeaders: true}); err != nil {
		return stream, err
	}
	return stream, c.WriteData(stream, true, e.Body)
}

// awaitHeaders reads until one stream is answered; no further one then is.
func (c *http2Client) awaitHeaders(t *testing.T) uint32 {
	t.Helper()
	for {
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatalf("no answer: %v", err)
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = c.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			return f.StreamID
		case *http2.GoAwayFrame:
			t.Fatalf("the server gave the connection up: %v", f)
		}
	}
}

// drain reads until the server has ended the connection.
func (c *http2Client) drain() {
	for {
		if _, err := c.ReadFrame(); err != nil {
			return
		}
	}
}

// drainTo reads until the server has ended the connection. read is closed once it has
// answered a ping, or has ended: it has read by then what was sent before the ping.
func (c *http2Client) drainTo() (read <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		end := sync.OnceFunc(func() { close(done) })
		defer end()
		for {
			f, err := c.ReadFrame()
			if err != nil {
				return
			}
			if p, ok := f.(*http2.PingFrame); ok && p.IsAck() {
				end()
			}
		}
	}()
	return done
}
