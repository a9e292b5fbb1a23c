package sqlite

import (
	"encoding/binary"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// errEncoding says that a record that was read is not one that was written.
var errEncoding = errors.New("stored record is damaged")

// nanos returns a time as the store compares it: 0 for the zero time, and clamped to
// what 64 bits hold, since a created_at may name any year.
func nanos(t time.Time) int64 {
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

// timeOf is the reverse of nanos.
func timeOf(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// putString appends a string and its length before it.
func putString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// putTime keeps every time exactly, also those that nanos would clamp.
func putTime(b []byte, t time.Time) []byte {
	b = binary.AppendVarint(b, t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()))
}

// decoder reads what the functions above have written. Its methods return zero values
// once something did not fit, so that a caller checks bad only at the end. It never
// allocates by a length that it has read before that length was found to fit what is
// there: the bytes may be damaged.
type decoder struct {
	// b is what was not read yet.
	b []byte
	// bad reports that something did not fit.
	bad bool
}

// uint reads an unsigned number.
func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// int reads a signed number.
func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// take reads n bytes. They stay those of the decoder.
func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

// string reads what putString has written.
func (d *decoder) string() string { return string(d.take(d.uint())) }

// time reads what putTime has written.
func (d *decoder) time() time.Time {
	sec, nsec := d.int(), d.uint()
	return time.Unix(sec, int64(nsec%1e9)).UTC()
}

// encodeHead packs what comes with an event beside id, type and body, which have
// columns of their own. It is one blob because nothing of it is searched by.
func encodeHead(e *spool.Event, received time.Time) []byte {
	b := make([]byte, 0, 512)
	b = append(b, 1) // version
	b = append(b, e.Digest[:]...)
	b = putTime(b, e.CreatedAt)
	b = putTime(b, received)
	r := &e.Request
	for _, s := range []string{r.Method, r.URI, r.Host, r.RemoteAddr, r.Scheme} {
		b = putString(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Header)))
	for k, vs := range r.Header {
		b = putString(b, k)
		b = binary.AppendUvarint(b, uint64(len(vs)))
		for _, v := range vs {
			b = putString(b, v)
		}
	}
	return appendSum(b, e)
}

// decodeHead reads a head into e, and returns how many bytes of a checksum follow it.
func decodeHead(b []byte, e *spool.Event) (rest int, err error) {
	d := decoder{b: b}
	if v := d.take(1); d.bad || v[0] != 1 {
		return 0, errEncoding
	}
	copy(e.Digest[:], d.take(spool.DigestSize))
	e.CreatedAt, e.Received = d.time(), d.time()
	r := &e.Request
	for _, p := range []*string{&r.Method, &r.URI, &r.Host, &r.RemoteAddr, &r.Scheme} {
		*p = d.string()
	}
	n := d.uint()
	if n > uint64(len(d.b)) {
		return 0, errEncoding
	}
	r.Header = make(http.Header, n)
	for range n {
		k, m := d.string(), d.uint()
		if m > uint64(len(d.b)) {
			return 0, errEncoding
		}
		vs := make([]string, 0, m)
		for range m {
			vs = append(vs, d.string())
		}
		r.Header[k] = vs
	}
	if rest = len(d.b); d.bad || rest > 0 && (rest != sumSize || d.b[0] != sumMark) {
		return 0, errEncoding
	}
	return rest, nil
}

// appendAttempt returns a log with an attempt added, of which the newest are kept. Each
// record is preceded by its length, so that old ones drop without decoding, and a newer
// program may add to its end.
func appendAttempt(log []byte, a spool.Attempt) []byte {
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
	r = putString(r, a.Error)
	r = putString(r, string(a.Response))
	if a.Replay > 0 { // Older programs do not look behind the response.
		r = binary.AppendUvarint(r, uint64(a.Replay))
	}
	n := 0
	for d := (decoder{b: log}); len(d.b) > 0; n++ {
		d.take(d.uint())
	}
	for d := (decoder{b: log}); n >= spool.MaxAttempts; n-- {
		d.take(d.uint())
		log = d.b
	}
	out := make([]byte, 0, len(log)+len(r)+3)
	out = append(out, log...)
	out = binary.AppendUvarint(out, uint64(len(r)))
	return append(out, r...)
}

// decodeLog returns the attempts of a log.
func decodeLog(b []byte) ([]spool.Attempt, error) {
	var log []spool.Attempt
	for d := (decoder{b: b}); len(d.b) > 0; {
		r := decoder{b: d.take(d.uint())}
		a := spool.Attempt{N: int(r.int()), Start: r.time(), Took: time.Duration(r.int()), Status: int(r.int())}
		if free := r.take(1); !r.bad {
			a.Free = free[0] == 1
		}
		a.Error = r.string()
		if resp := r.take(r.uint()); len(resp) > 0 {
			a.Response = append([]byte(nil), resp...)
		}
		if len(r.b) > 0 {
			a.Replay = int(r.uint())
		}
		if d.bad || r.bad {
			return nil, errEncoding
		}
		log = append(log, a)
	}
	return log, nil
}
