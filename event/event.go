// Package event reads the events of the Inbox platform: a strict envelope
// around data that is kept as it came, and the four payloads the platform
// documents. Handler is the whole of a receiver, which answers 200 only to an
// event that is signed and has been handled; Construct is for programs that have
// body and header in hand.
//
// Guarantee: the envelope of a body that Parse accepts means the same to every
// reasonable JSON parser: the id, type and created_at that we route and remember by
// are those that the app behind us sees. Names are case-sensitive; trailing data,
// invalid UTF-8 anywhere, a byte order mark and nesting deeper than 10,000 levels
// are refused, and so is an id, type, created_at or data that stands twice in the
// envelope. What stands inside data, or under other names, is the app's own
// affair: a name twice, or half a surrogate pair (a text that was cut in the middle
// of an emoji), leaves no doubt about the envelope and is accepted. Of a body that
// is refused, Sure says what is beyond doubt. No error text holds any part of a
// body.
//
// created_at is any time of RFC 3339, t and z in either case, with a fraction of
// any length, a leap second read as the second after it. Whatever else the platform
// may send one day makes the event odd, with its id and type beyond doubt: an epoch
// number in seconds or milliseconds (also in quotes), null, an offset without a
// colon (+0000), no zone, a zone by name, a blank for the T, no seconds, the form
// of HTTP.
//
// Limits: Parse judges the envelope only. The data of an event may be of any
// shape, or missing; Payload says whether it fits its type. Payloads hold phone
// numbers: log an Event, whose LogValue leaves its data out, never a payload.
package event

import (
	"encoding/json"
	"log/slog"
	"time"
)

// Limits of the envelope's members, in bytes.
const (
	MaxID   = 256
	MaxType = 128
)

// The types of event that the platform documents.
const (
	TypeMessageDelivered = "message.delivered"
	TypeMessageRead      = "message.read"
	TypeMessageFailed    = "message.failed"
	TypeMessageAction    = "message.action"
)

// Types lists the documented types, in the order of the documentation. The
// platform may send others; they are events like any other.
func Types() []string {
	return []string{TypeMessageDelivered, TypeMessageRead, TypeMessageFailed, TypeMessageAction}
}

// Event is the envelope of one event.
type Event struct {
	// ID is 1 to MaxID bytes of '!' to '~'.
	ID string
	// Type is 1 to MaxType bytes of letters, digits, '.', '_' and '-'.
	Type string
	// CreatedAt is in UTC, zero where the body has none.
	CreatedAt time.Time
	// Data is the JSON value of the member data, nil where there is none. It
	// shares its bytes with the body that was parsed.
	Data json.RawMessage
}

// LogValue shows an event without its data.
func (e Event) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", e.ID),
		slog.String("type", e.Type),
		slog.Time("created_at", e.CreatedAt),
	)
}
