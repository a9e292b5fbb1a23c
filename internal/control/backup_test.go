package control_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// slowReader asks for a backup and reads no more than its head.
func (r *rig) slowReader() net.Conn {
	r.Helper()
	body := bytes.Repeat([]byte("x"), 1<<20)
	for n := range 16 { // More than a connection's buffers hold.
		e := &spool.Event{Source: "inbox", ID: "evt_big" + strings.Repeat("x", n), Type: "message.read", CreatedAt: time.Now(), Request: spool.Request{Body: body}}
		_, err := r.store.Accept(r.Context(), spool.Intake{Event: e})
		r.ok(err)
	}
	c, err := new(net.Dialer).DialContext(r.Context(), "tcp", r.server.Listener.Addr().String())
	r.ok(err)
	_, err = io.WriteString(c, "GET /inbox/store/backup HTTP/1.1\r\nHost: "+r.server.Listener.Addr().String()+"\r\nUser-Agent: the night job\r\n\r\n")
	r.ok(err)
	head := make([]byte, 12)
	_, err = io.ReadFull(c, head)
	r.ok(err)
	if string(head) != "HTTP/1.1 200" {
		r.Fatalf("the backup begins with %q", head)
	}
	r.Cleanup(func() { c.Close() })
	return c
}

// Of two backups the second is told who has the first, and may have one when that
// is gone.
func TestSecondBackupIsToldWhoHasTheFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.slowReader()
	err := r.client().Backup(t.Context(), io.Discard, nil)
	var e *control.Error
	if !errors.As(err, &e) || e.Status != http.StatusConflict || !strings.Contains(e.Message, "the night job at 127.0.0.1") || !strings.Contains(e.Message, "since 20") {
		t.Errorf("the second backup: %v", err)
	}
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for err = r.client().Backup(ctx, io.Discard, nil); err != nil; err = r.client().Backup(ctx, io.Discard, nil) {
		if ctx.Err() != nil {
			t.Fatalf("after the first has gone: %v", err)
		}
	}
}

// A store that closes ends a backup whose reader does not read, and the reader
// sees that it has not all.
func TestClosingEndsABackupThatNobodyReads(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.slowReader()
	r.ok(r.store.Close())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := r.server.Config.Shutdown(ctx); err != nil {
		t.Errorf("the server waits for the reader: %v", err)
	}
	res, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1.1 200"), c)), nil)
	r.ok(err)
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); err == nil || n >= res.ContentLength {
		t.Errorf("%d of %d bytes, %v", n, res.ContentLength, err)
	}
}

// A copy that is cut on its way is an error of the client.
func TestBackupCutOnItsWay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.server.Config.Handler = cutting{r.server.Config.Handler}
	if err := r.client().Backup(t.Context(), io.Discard, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error is %v", err)
	}
}

// cutting ends each connection in the middle of its answer.
type cutting struct{ http.Handler }

func (c cutting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.Handler.ServeHTTP(&cut{ResponseWriter: w}, r)
	panic(http.ErrAbortHandler)
}

type cut struct {
	http.ResponseWriter
	n int
}

func (c *cut) Write(b []byte) (int, error) {
	if c.n > 0 {
		return 0, io.ErrClosedPipe
	}
	c.n++
	return c.ResponseWriter.Write(b[:1000])
}

func (c *cut) Unwrap() http.ResponseWriter { return c.ResponseWriter }
