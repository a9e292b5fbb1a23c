package body

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// Error is why a body was not read, and the status that says so to the sender.
type Error struct {
	Status int
	Reason string
}

// Error returns the reason.
func (e Error) Error() string { return e.Reason }

// Errors of Read.
var (
	ErrTooLarge       = Error{http.StatusRequestEntityTooLarge, "body is larger than max_body"}
	ErrTooLargeServer = Error{http.StatusRequestEntityTooLarge, "body is larger than the server allows"}
	ErrSlow           = Error{http.StatusRequestTimeout, "body did not arrive within read_timeout"}
	ErrCrowded        = Error{http.StatusServiceUnavailable, "too many bodies are being read"}
	ErrCut            = Error{http.StatusBadRequest, "body was cut short"}
)

// Read returns the whole body of r, of at most max bytes, within b. The caller has
// set deadline as the read deadline of control, the response's; it is taken back
// when the body is there. Where the server supports none, Read looks at the clock
// itself between two reads.
//
// The caller drops the Body when it is done with the bytes. An error is an Error.
func (b *Budgets) Read(r *http.Request, control *http.ResponseController, max int64, deadline time.Time) (*Body, error) {
	if r.ContentLength > max {
		return nil, ErrTooLarge
	}
	body := b.reader(max, deadline, func() { _ = control.SetReadDeadline(time.Now()) })
	if err := body.readAll(r.Body, r.ContentLength); err != nil {
		body.Drop()
		if errors.Is(err, ErrCrowded) {
			body.abort() // The server would wait for the rest of it.
		}
		return nil, err
	}
	_ = control.SetReadDeadline(time.Time{})
	return body, nil
}

// readAll grows with what has come, so that a length that was only announced
// costs nothing.
func (b *Body) readAll(src io.Reader, announced int64) error {
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
			return ErrTooLarge
		case err == io.EOF:
			return nil
		case b.evicted.Load():
			return ErrCrowded
		case err != nil:
			return readError(err)
		case !time.Now().Before(b.deadline):
			return ErrSlow
		}
	}
}

// next returns the size of the buffer that follows: twice the last one, and not
// more than was announced and one byte, by which the end is met without growing.
func (b *Body) next(announced int64) int64 {
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

func readError(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrSlow
	case errors.As(err, &tooLarge):
		return ErrTooLargeServer
	}
	return ErrCut
}
