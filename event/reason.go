package event

import "errors"

// Errors of Parse. Their texts are constant and public: they go into a
// response header and never hold a byte of the body. Where a body has several
// faults, one that makes it no JSON document comes first.
var (
	ErrEmpty         = errors.New("body is empty")
	ErrBOM           = errors.New("body begins with a byte order mark")
	ErrUTF8          = errors.New("body is not UTF-8")
	ErrNotJSON       = errors.New("body is not JSON")
	ErrNotObject     = errors.New("body is not a JSON object")
	ErrDuplicateKey  = errors.New("duplicate key in JSON")
	ErrLoneSurrogate = errors.New("lone surrogate in JSON")
	ErrTooDeep       = errors.New("JSON is nested too deeply")
	ErrTrailingData  = errors.New("data after the JSON object")

	ErrIDMissing   = errors.New("id is missing")
	ErrIDNotString = errors.New("id is not a string")
	ErrIDLength    = errors.New("id is not 1 to 256 bytes long")
	ErrIDBytes     = errors.New("id has bytes outside ! to ~")

	ErrTypeMissing   = errors.New("type is missing")
	ErrTypeNotString = errors.New("type is not a string")
	ErrTypeLength    = errors.New("type is not 1 to 128 bytes long")
	ErrTypeBytes     = errors.New("type has bytes outside A-Z a-z 0-9 . _ -")

	// ErrCreatedAt also stands for null: a member that is there must be a time.
	ErrCreatedAt = errors.New("created_at is not an RFC 3339 time")
	// ErrCreatedAtRange: an age could not be reckoned safely. The bounds keep
	// nanoseconds since 1970 within 63 bits, and keep the zero time for "none".
	ErrCreatedAtRange = errors.New("created_at is before 1970 or after 2261")
)

var reasons = []error{
	ErrEmpty, ErrBOM, ErrUTF8, ErrNotJSON, ErrNotObject, ErrDuplicateKey, ErrLoneSurrogate, ErrTooDeep, ErrTrailingData,
	ErrIDMissing, ErrIDNotString, ErrIDLength, ErrIDBytes,
	ErrTypeMissing, ErrTypeNotString, ErrTypeLength, ErrTypeBytes,
	ErrCreatedAt, ErrCreatedAtRange,
}

// Reason says in a few public words why Parse refused a body, fit for a header
// and for people. It is empty for any other error, which may not be public.
func Reason(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r) {
			return r.Error()
		}
	}
	return ""
}
