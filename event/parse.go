package event

import (
	"bytes"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse reads the envelope of an event. Any error it returns has a Reason.
//
// id and type must be there. created_at may be missing; if it is there it must
// be an RFC 3339 time from 1970 to 2261, so null is refused. Other members are
// ignored, once they are found to be strict JSON. The returned Event shares the
// bytes of its Data with body.
func Parse(body []byte) (Event, error) {
	if err := checkBytes(body); err != nil {
		return Event{}, err
	}
	r := readers.Get().(*reader)
	var env envelope
	err := r.read(body, &env)
	r.free(len(body))
	if err != nil {
		return Event{}, err
	}
	if err := env.check(); err != nil {
		return Event{}, err
	}
	return env.Event, nil
}

func checkBytes(body []byte) error {
	switch {
	case len(body) == 0:
		return ErrEmpty
	case bytes.HasPrefix(body, []byte("\ufeff")):
		return ErrBOM
	case !utf8.Valid(body):
		return ErrUTF8
	}
	return nil
}

// Sure returns what is beyond doubt of a body that Parse refuses: its id, type
// and created_at, each where every reader of the body that reads it at all reads
// the same. Of what is no JSON document, and of two of them, nothing is. Data is
// left out.
func Sure(body []byte) Event {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if len(body) == 0 || swallows(body) {
		return Event{}
	}
	r := readers.Get().(*reader)
	var env envelope
	err := r.read(body, &env)
	r.free(len(body))
	if err != nil {
		return Event{}
	}
	return env.sure()
}

// swallows: a bad sequence of UTF-8 may stand for, or take along, a quote or a
// backslash, to readers who decode it carelessly.
func swallows(body []byte) bool {
	const longest = 3 // bytes that may belong to the one before them
	for i := 0; i < len(body); {
		r, n := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && n == 1 {
			switch body[i] {
			case 0xc0, 0xc1, 0xe0, 0xf0:
				return true
			}
			if bytes.ContainsAny(body[i+1:min(i+1+longest, len(body))], `"\`) {
				return true
			}
		}
		i += n
	}
	return false
}

// lenient are the decoder's options. What data holds is a matter of the app: a
// name twice, half an emoji. That of the envelope's members is not.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// maxPooled is the longest body, in bytes, after which a reader is kept: its
// tables of names grow with what it has read and never shrink.
const maxPooled = 64 << 10

var readers = sync.Pool{New: func() any {
	r := &reader{}
	r.dec = jsontext.NewDecoder(&r.buf, lenient...)
	return r
}}

// reader is a decoder that can be used again, and the buffer it reads in place.
type reader struct {
	buf bytes.Buffer
	dec *jsontext.Decoder
}

func (r *reader) reset(body []byte) {
	r.buf = *bytes.NewBuffer(body)
	r.dec.Reset(&r.buf, lenient...)
}

func (r *reader) free(size int) {
	if size > maxPooled {
		return
	}
	// The pool must not keep a body alive.
	r.reset(nil)
	readers.Put(r)
}

// read takes the whole document, so that a fault behind the last member it
// needs is found too.
func (r *reader) read(body []byte, env *envelope) error {
	r.reset(body)
	begin, err := r.dec.ReadToken()
	if err != nil {
		return classify(body)
	}
	if begin.Kind() != jsontext.KindBeginObject {
		return ErrNotObject
	}
	for r.dec.PeekKind() != jsontext.KindEndObject {
		name, err := r.dec.ReadValue()
		if err != nil {
			return classify(body)
		}
		m := memberOf(name)
		value, err := r.dec.ReadValue()
		if err != nil {
			return classify(body)
		}
		env.set(m, value)
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return classify(body)
	}
	if len(bytes.Trim(body[r.dec.InputOffset():], " \t\r\n")) > 0 {
		return ErrTrailingData
	}
	return nil
}

// classify finds the reason behind an error of the decoder, whose own text may
// quote the body.
func classify(body []byte) error {
	// The decoder does not name the depth, so the body is read again up to it.
	const maxDepth = 10000
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), lenient...)
	for {
		if _, err := dec.ReadToken(); err != nil {
			break
		}
	}
	if kind := dec.PeekKind(); dec.StackDepth() == maxDepth && (kind == jsontext.KindBeginObject || kind == jsontext.KindBeginArray) {
		return ErrTooDeep
	}
	return ErrNotJSON
}
