package event

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// member is a member of the envelope.
type member uint8

const (
	other member = iota
	memberID
	memberType
	memberCreatedAt
	memberData
)

// memberOf knows a quoted name, also when it is written with escapes: to every
// parser "\u0069d" is id.
func memberOf(quoted []byte) member {
	name := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		var err error
		if name, err = jsontext.AppendUnquote(nil, quoted); err != nil {
			return other
		}
	}
	switch string(name) {
	case "id":
		return memberID
	case "type":
		return memberType
	case "created_at":
		return memberCreatedAt
	case "data":
		return memberData
	}
	return other
}

// envelope is an Event in the making, with what is wrong with its members.
type envelope struct {
	Event
	idErr, typeErr, createdErr error
	hasID, hasType             bool
}

func (e *envelope) set(m member, value jsontext.Value) {
	switch m {
	case memberID:
		e.hasID = true
		e.ID, e.idErr = readID(value)
	case memberType:
		e.hasType = true
		e.Type, e.typeErr = readType(value)
	case memberCreatedAt:
		e.CreatedAt, e.createdErr = readTime(value)
	case memberData:
		// A full slice, so that an append cannot run into what follows.
		e.Data = json.RawMessage(value[:len(value):len(value)])
	}
}

// check reports the members in a fixed order, not in that of the body.
func (e *envelope) check() error {
	switch {
	case !e.hasID:
		return ErrIDMissing
	case e.idErr != nil:
		return e.idErr
	case !e.hasType:
		return ErrTypeMissing
	case e.typeErr != nil:
		return e.typeErr
	}
	return e.createdErr
}

// unquote returns the text of a JSON string, without a copy where it has no
// escapes, and false for any other value.
func unquote(value jsontext.Value) ([]byte, bool) {
	if value.Kind() != jsontext.KindString {
		return nil, false
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], true
	}
	text, err := jsontext.AppendUnquote(nil, value)
	return text, err == nil
}

func readID(value jsontext.Value) (string, error) {
	text, ok := unquote(value)
	if !ok {
		return "", ErrIDNotString
	}
	if len(text) < 1 || len(text) > MaxID {
		return "", ErrIDLength
	}
	for _, c := range text {
		if c < '!' || c > '~' {
			return "", ErrIDBytes
		}
	}
	return string(text), nil
}

func readType(value jsontext.Value) (string, error) {
	text, ok := unquote(value)
	if !ok {
		return "", ErrTypeNotString
	}
	// The known ones cost no allocation.
	switch string(text) {
	case TypeMessageDelivered:
		return TypeMessageDelivered, nil
	case TypeMessageRead:
		return TypeMessageRead, nil
	case TypeMessageFailed:
		return TypeMessageFailed, nil
	case TypeMessageAction:
		return TypeMessageAction, nil
	}
	if len(text) < 1 || len(text) > MaxType {
		return "", ErrTypeLength
	}
	for _, c := range text {
		if !typeByte(c) {
			return "", ErrTypeBytes
		}
	}
	return string(text), nil
}

func typeByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

func readTime(value jsontext.Value) (time.Time, error) {
	text, ok := unquote(value)
	if !ok {
		return time.Time{}, ErrCreatedAt
	}
	var t time.Time
	if !looksRFC3339(text) || t.UnmarshalText(text) != nil {
		return time.Time{}, ErrCreatedAt
	}
	t = t.UTC()
	if y := t.Year(); y < 1970 || y > 2261 {
		return time.Time{}, ErrCreatedAtRange
	}
	return t, nil
}

// looksRFC3339 refuses what package time is too kind to: an hour of one digit,
// a comma before the fraction, and an offset of a day or more. The app behind
// us may read such a time otherwise, or not at all.
func looksRFC3339(text []byte) bool {
	const seconds = len("2006-01-02T15:04:05")
	if len(text) <= seconds || !fits(text[:seconds], "0000-00-00T00:00:00") {
		return false
	}
	zone := text[seconds:]
	if zone[0] == '.' {
		zone = bytes.TrimLeft(zone[1:], "0123456789")
	}
	if len(zone) == 1 {
		return zone[0] == 'Z'
	}
	return (fits(zone, "+00:00") || fits(zone, "-00:00")) && string(zone[1:3]) < "24" && string(zone[4:6]) < "60"
}

// fits compares text with a pattern in which 0 stands for any digit.
func fits(text []byte, pattern string) bool {
	if len(text) != len(pattern) {
		return false
	}
	for i, c := range text {
		if digit := '0' <= c && c <= '9'; digit != (pattern[i] == '0') || !digit && c != pattern[i] {
			return false
		}
	}
	return true
}
