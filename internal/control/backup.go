package control

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// backupChunk is how many bytes of a copy a reader must take within backupStall, or
	// it counts as gone: until then no other caller gets a copy, and the disk holds
	// two stores. That is 2 KiB a second.
	backupChunk = 256 << 10
	backupStall = 2 * time.Minute
)

// backup answers with a whole copy of the store. One that breaks off has fewer
// bytes than its Content-Length, which every client sees.
func (a *api) backup(w http.ResponseWriter, hr *http.Request) {
	r := a.request(hr)
	if err := a.sendBackup(w, r); err != nil {
		writeError(w, err)
	}
}

func (a *api) sendBackup(w http.ResponseWriter, r *request) error {
	if err := r.needTrust(); err != nil {
		return err
	}
	b, ok := a.Store.(spool.Embedded)
	if !ok {
		return a.noHands("backup")
	}
	c, err := b.Backup(r.Context(), caller(r), nil)
	if err != nil {
		return err
	}
	defer c.Close()
	a.audit(r, "backup", "", "bytes", c.Size())
	h := w.Header()
	h.Set("Content-Type", "application/vnd.sqlite3")
	h.Set("Content-Length", strconv.FormatInt(c.Size(), 10))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	if err := send(w, r, c); err != nil {
		a.Audit.Warn("backup broke off", "caller", caller(r), "error", err)
	}
	return nil
}

// send writes a copy to a reader that may be slow, or gone without closing its
// connection. It returns when the copy ends, whatever the reader does.
func send(w http.ResponseWriter, r *request, c spool.Copy) error {
	rc := http.NewResponseController(w)
	sent := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-c.Ended():
			_ = rc.SetWriteDeadline(time.Unix(1, 0))
		case <-sent:
		}
	}()
	defer func() {
		close(sent)
		<-watched
	}()
	buf := make([]byte, backupChunk)
	for {
		n, err := c.Read(buf)
		if n > 0 {
			if err := write(rc, w, c, buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			// What is left in buffers is waited for here, where the wait has an end.
			return cmp.Or(rc.Flush(), rc.SetWriteDeadline(time.Time{}))
		}
		if err != nil {
			return err
		}
		if err := r.Context().Err(); err != nil {
			return err
		}
	}
}

// write writes one chunk in time, unless the copy has ended.
func write(rc *http.ResponseController, w io.Writer, c spool.Copy, b []byte) error {
	_ = rc.SetWriteDeadline(time.Now().Add(backupStall))
	select {
	case <-c.Ended(): // The deadline just set may have replaced the one of its end.
		return spool.ErrClosed
	default:
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	return nil
}

// caller returns the name of the caller, as far as it is known, for the callers that
// must wait for it.
func caller(r *request) string {
	agent := strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, r.UserAgent())
	agent = cmp.Or(agent[:min(len(agent), 80)], "a caller without a name")
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return agent + " at " + host
	}
	return agent + " on this machine"
}
