package event

import (
	"errors"
	"fmt"
	"net/http"
)

// ErrUnsigned means that a body carries no valid signature. The error also wraps
// the verifier's own, which is for your log: to the sender all are the same 401.
var ErrUnsigned = errors.New("event is not signed")

// Verifier reports by an error that a body is not signed, given the header of
// the request that it came in. *verify.Verifier is one.
type Verifier interface {
	Check(body []byte, header http.Header) error
}

// Construct checks the signature of a body and then parses it, for programs that
// have body and header of a request in hand. Handler does the same, and all the
// rest, where there is an http.Handler to give.
//
// body must be the bytes as they came: what a framework has decoded and written
// anew has another signature. Header names may be in any case. The error is an
// ErrUnsigned, answer 401; or one of Parse, whose Reason is public: the platform
// did send that body and will send it again after anything but a 2xx.
//
// Construct knows nothing of ids: an event comes more than once, and one that
// was captured can be sent again. Package dedupe remembers them.
func Construct(body []byte, header http.Header, v Verifier) (Event, error) {
	if v == nil {
		return Event{}, fmt.Errorf("%w: there is no verifier", ErrUnsigned)
	}
	if err := v.Check(body, header); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	return Parse(body)
}
