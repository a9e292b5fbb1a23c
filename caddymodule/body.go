package caddymodule

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

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
	all := bodies()
	b := &bodyReader{
		max: h.MaxBody, share: &all.small, small: &all.small, large: &all.large, deadline: deadline,
		abort: func() { _ = control.SetReadDeadline(time.Now()) },
	}
	err = b.readAll(r.Body, r.ContentLength)
	if err != nil {
		b.release()
		if errors.Is(err, errCrowded) {
			b.abort() // The server would wait for the rest of it.
		}
		return nil, nil, err
	}
	_ = control.SetReadDeadline(time.Time{})
	return b.buf, b.release, nil
}

// readAll grows with what has come, so that a length that was only announced
// costs nothing.
func (b *bodyReader) readAll(src io.Reader, announced int64) error {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	if err := b.grow(b.next(announced)); err != nil {
		return err
	}
	for {
		if len(b.buf) == cap(b.buf) {
			if err := b.grow(b.next(announced)); err != nil {
				return err
			}
		}
		n, err := src.Read(b.buf[len(b.buf):cap(b.buf)])
		b.buf = b.buf[:len(b.buf)+n]
		switch {
		case int64(len(b.buf)) > b.max:
			return refusal{http.StatusRequestEntityTooLarge, "body is larger than max_body"}
		case err == io.EOF:
			return nil
		case b.evicted.Load():
			return errCrowded
		case err != nil:
			return readError(err)
		case !time.Now().Before(b.deadline):
			return errSlow
		}
	}
}

// next is the size of the buffer that follows: twice the last one, and not more
// than was announced and one byte, by which the end is met without growing.
func (b *bodyReader) next(announced int64) int64 {
	size := max(512, 2*int64(cap(b.buf)))
	whole := announced + 1
	switch {
	case announced < 0:
		whole = b.max + 1
	case b.buf == nil && announced < 4<<10:
		return whole
	}
	if size > whole && whole > int64(cap(b.buf)) {
		return whole
	}
	return size
}

var (
	errSlow    = refusal{http.StatusRequestTimeout, "body did not arrive within read_timeout"}
	errCrowded = refusal{http.StatusServiceUnavailable, "too many bodies are being read"}
)

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
