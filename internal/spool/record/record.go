// Package record is how the engines of spool pack what is not searched by: what came
// with an event, and the attempts of a delivery. Both engines store the same bytes, so
// that a store can be copied from one to the other.
//
// Guarantee: what was encoded is decoded exactly; other bytes are ErrDamaged, and
// never a panic or a large allocation.
//
// Limits: only DecodeWhole checks the checksum, which covers id, type, head and body. A
// time outside the years 1679 to 2261 is clamped by Nanos and kept by EncodeHead.
package record

import (
	"encoding/binary"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// ErrDamaged means that a record that was read is not one that was written.
var ErrDamaged = errors.New("stored record is damaged")

// Nanos returns a time as the store compares it: 0 for the zero time, and clamped to
// what 64 bits hold, since a created_at may name any year.
func Nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Year() < 1679:
		return math.MinInt64 + 1
	case t.Year() > 2261:
		return math.MaxInt64 - 1
	}
	return t.UnixNano()
}

// Time is the reverse of Nanos.
func Time(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// PutString appends a string and its length before it.
func PutString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// putTime keeps every time exactly, also those that Nanos would clamp.
func putTime(b []byte, t time.Time) []byte {
	b = binary.AppendVarint(b, t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()))
}

// Decoder reads what the functions above have written. Its methods return zero values
// once something did not fit, so that a caller checks Bad only at the end. It never
// allocates by a length that it has read before that length was found to fit what is
// there: the bytes may be damaged.
type Decoder struct {
	// B is what was not read yet.
	B []byte
	// Bad reports that something did not fit.
	Bad bool
}

// Uint reads an unsigned number.
func (d *Decoder) Uint() uint64 {
	v, n := binary.Uvarint(d.B)
	if n <= 0 {
		d.Bad, d.B = true, nil
		return 0
	}
	d.B = d.B[n:]
	return v
}

// Int reads a signed number.
func (d *Decoder) Int() int64 {
	v, n := binary.Varint(d.B)
	if n <= 0 {
		d.Bad, d.B = true, nil
		return 0
	}
	d.B = d.B[n:]
	return v
}

// Take reads n bytes. They stay those of the Decoder.
func (d *Decoder) Take(n uint64) []byte {
	if n > uint64(len(d.B)) {
		d.Bad, d.B = true, nil
		return nil
	}
	v := d.B[:n]
	d.B = d.B[n:]
	return v
}

// String reads what PutString has written.
func (d *Decoder) String() string { return string(d.Take(d.Uint())) }

// Time reads what putTime has written.
func (d *Decoder) Time() time.Time {
	sec, nsec := d.Int(), d.Uint()
	return time.Unix(sec, int64(nsec%1e9)).UTC()
}

// EncodeHead packs what comes with an event beside id, type and body, which have
// columns of their own. It is one blob because nothing of it is searched by.
func EncodeHead(e *spool.Event, received time.Time) []byte {
	b := make([]byte, 0, 512)
	b = append(b, 1) // version
	b = append(b, e.Digest[:]...)
	b = putTime(b, e.CreatedAt)
	b = putTime(b, received)
	r := &e.Request
	for _, s := range []string{r.Method, r.URI, r.Host, r.RemoteAddr, r.Scheme} {
		b = PutString(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Header)))
	for k, vs := range r.Header {
		b = PutString(b, k)
		b = binary.AppendUvarint(b, uint64(len(vs)))
		for _, v := range vs {
			b = PutString(b, v)
		}
	}
	return appendSum(b, e)
}

// DecodeHead reads a head into e, and returns how many bytes of a checksum follow it.
func DecodeHead(b []byte, e *spool.Event) (rest int, err error) {
	d := Decoder{B: b}
	if v := d.Take(1); d.Bad || v[0] != 1 {
		return 0, ErrDamaged
	}
	copy(e.Digest[:], d.Take(spool.DigestSize))
	e.CreatedAt, e.Received = d.Time(), d.Time()
	r := &e.Request
	for _, p := range []*string{&r.Method, &r.URI, &r.Host, &r.RemoteAddr, &r.Scheme} {
		*p = d.String()
	}
	n := d.Uint()
	if n > uint64(len(d.B)) {
		return 0, ErrDamaged
	}
	r.Header = make(http.Header, n)
	for range n {
		k, m := d.String(), d.Uint()
		if m > uint64(len(d.B)) {
			return 0, ErrDamaged
		}
		vs := make([]string, 0, m)
		for range m {
			vs = append(vs, d.String())
		}
		r.Header[k] = vs
	}
	if rest = len(d.B); d.Bad || rest > 0 && (rest != sumSize || d.B[0] != sumMark) {
		return 0, ErrDamaged
	}
	return rest, nil
}

// AppendAttempt returns a log with an attempt added, of which the newest are kept. Each
// record is preceded by its length, so that old ones drop without decoding, and a newer
// program may add to its end.
func AppendAttempt(log []byte, a spool.Attempt) []byte {
	if len(a.Response) > spool.MaxResponse {
		a.Response = a.Response[:spool.MaxResponse]
	}
	r := make([]byte, 0, 64+len(a.Error)+len(a.Response))
	r = binary.AppendVarint(r, int64(a.N))
	r = putTime(r, a.Start)
	r = binary.AppendVarint(r, int64(a.Took))
	r = binary.AppendVarint(r, int64(a.Status))
	free := byte(0)
	if a.Free {
		free = 1
	}
	r = append(r, free)
	r = PutString(r, a.Error)
	r = PutString(r, string(a.Response))
	if a.Replay > 0 { // Older programs do not look behind the response.
		r = binary.AppendUvarint(r, uint64(a.Replay))
	}
	n := 0
	for d := (Decoder{B: log}); len(d.B) > 0; n++ {
		d.Take(d.Uint())
	}
	for d := (Decoder{B: log}); n >= spool.MaxAttempts; n-- {
		d.Take(d.Uint())
		log = d.B
	}
	out := make([]byte, 0, len(log)+len(r)+3)
	out = append(out, log...)
	out = binary.AppendUvarint(out, uint64(len(r)))
	return append(out, r...)
}

// DecodeLog returns the attempts of a log.
func DecodeLog(b []byte) ([]spool.Attempt, error) {
	var log []spool.Attempt
	for d := (Decoder{B: b}); len(d.B) > 0; {
		r := Decoder{B: d.Take(d.Uint())}
		a := spool.Attempt{N: int(r.Int()), Start: r.Time(), Took: time.Duration(r.Int()), Status: int(r.Int())}
		if free := r.Take(1); !r.Bad {
			a.Free = free[0] == 1
		}
		a.Error = r.String()
		if resp := r.Take(r.Uint()); len(resp) > 0 {
			a.Response = append([]byte(nil), resp...)
		}
		if len(r.B) > 0 {
			a.Replay = int(r.Uint())
		}
		if d.Bad || r.Bad {
			return nil, ErrDamaged
		}
		log = append(log, a)
	}
	return log, nil
}
