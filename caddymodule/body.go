package caddymodule

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// Bytes of bodies that are being read or stored, over all requests of the
// process. Small bodies have a budget of their own, so that slow large ones
// cannot starve them. A budget counts bytes really read, and not what a
// client says it will send.
var (
	smallBodies = &budget{max: 64 << 20}
	largeBodies = &budget{max: 128 << 20}
)

const smallBody = 64 << 10

type budget struct {
	used atomic.Int64
	max  int64
}

func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.max {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.used.Add(-n) }

// read returns the whole body. release gives its share of the budget back.
func (h *Webhook) read(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	// Set before anything is refused: the server reads on what was not read, up
	// to 256 KiB, before it sends an answer.
	deadline := time.Now().Add(time.Duration(h.ReadTimeout))
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(deadline) // Where unsupported, the check below is left.
	if r.Method != http.MethodPost {
		return nil, nil, refusal{http.StatusMethodNotAllowed, "method is not POST"}
	}
	if r.ContentLength > h.MaxBody {
		return nil, nil, refusal{http.StatusRequestEntityTooLarge, "body is larger than max_body"}
	}
	b := bodyReader{max: h.MaxBody, budget: smallBodies, small: smallBodies, large: largeBodies, deadline: deadline}
	err = b.readAll(r.Body, r.ContentLength)
	if err != nil {
		b.release()
		return nil, nil, err
	}
	_ = control.SetReadDeadline(time.Time{})
	return b.buf, b.release, nil
}

type bodyReader struct {
	buf          []byte
	taken        int64
	budget       *budget // The one of these two that is used.
	small, large *budget
	max          int64
	deadline     time.Time
}

func (b *bodyReader) release() { b.budget.give(b.taken) }

// readAll grows with what has come, so that a length that was only announced
// costs nothing.
func (b *bodyReader) readAll(src io.Reader, announced int64) error {
	size := int64(512)
	if announced >= 0 && announced < 4<<10 {
		size = announced + 1 // One more, so that the end is met without growing.
	}
	b.buf = make([]byte, 0, size)
	for {
		if len(b.buf) == cap(b.buf) {
			b.buf = append(b.buf, 0)[:len(b.buf)]
		}
		n, err := src.Read(b.buf[len(b.buf):cap(b.buf)])
		b.buf = b.buf[:len(b.buf)+n]
		if e := b.account(int64(n)); e != nil {
			return e
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return readError(err)
		}
		if !time.Now().Before(b.deadline) {
			return errSlow
		}
	}
}

var errSlow = refusal{http.StatusRequestTimeout, "body did not arrive within read_timeout"}

func (b *bodyReader) account(n int64) error {
	if int64(len(b.buf)) > b.max {
		return refusal{http.StatusRequestEntityTooLarge, "body is larger than max_body"}
	}
	if b.budget == b.small && len(b.buf) > smallBody {
		b.release()
		b.budget, n, b.taken = b.large, int64(len(b.buf)), 0
	}
	if !b.budget.take(n) {
		return refusal{http.StatusServiceUnavailable, "too many bodies are being read"}
	}
	b.taken += n
	return nil
}

func readError(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlow
	case errors.As(err, &tooLarge):
		return refusal{http.StatusRequestEntityTooLarge, "body is larger than the server allows"}
	}
	return refusal{http.StatusBadRequest, "body was cut short"}
}
