package event

import (
	"bytes"
	"encoding/json"

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
	// seen and twice have a bit for each member.
	seen, twice uint8
}

func (e *envelope) has(m member) bool     { return e.seen&(1<<m) != 0 }
func (e *envelope) doubled(m member) bool { return e.twice&(1<<m) != 0 }

func (e *envelope) set(m member, value jsontext.Value) {
	if m == other {
		return
	}
	if e.has(m) {
		e.twice |= 1 << m
	}
	e.seen |= 1 << m
	switch m {
	case memberID:
		e.ID, e.idErr = readID(value)
	case memberType:
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
	case e.twice != 0:
		return ErrDuplicateKey
	case !e.has(memberID):
		return ErrIDMissing
	case e.idErr != nil:
		return e.idErr
	case !e.has(memberType):
		return ErrTypeMissing
	case e.typeErr != nil:
		return e.typeErr
	}
	return e.createdErr
}

// sure is the part of the event of which there is no doubt.
func (e *envelope) sure() (ev Event) {
	if e.idErr == nil && !e.doubled(memberID) {
		ev.ID = e.ID
	}
	if e.typeErr == nil && !e.doubled(memberType) {
		ev.Type = e.Type
	}
	if e.createdErr == nil && !e.doubled(memberCreatedAt) {
		ev.CreatedAt = e.CreatedAt
	}
	return ev
}

// unquote returns the text of a JSON string, without a copy where it has no
// escapes, and notString for any other value.
func unquote(value jsontext.Value, notString error) ([]byte, error) {
	if value.Kind() != jsontext.KindString {
		return nil, notString
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], nil
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return nil, ErrLoneSurrogate
	}
	return text, nil
}

func readID(value jsontext.Value) (string, error) {
	text, err := unquote(value, ErrIDNotString)
	if err != nil {
		return "", err
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
	text, err := unquote(value, ErrTypeNotString)
	if err != nil {
		return "", err
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
