package event

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ErrUnknownType means that a type is not one of Types.
var ErrUnknownType = errors.New("unknown event type")

// Marshal writes the event as the body of a request, as the platform would:
// compact JSON in the order id, type, created_at, data. Members that are zero
// are left out. It refuses what Parse would refuse, with the same errors.
func (e Event) Marshal() ([]byte, error) {
	wire := struct {
		ID        string         `json:"id,omitzero"`
		Type      string         `json:"type,omitzero"`
		CreatedAt time.Time      `json:"created_at,omitzero"`
		Data      jsontext.Value `json:"data,omitzero"`
	}{e.ID, e.Type, e.CreatedAt.UTC(), jsontext.Value(e.Data)}
	body, err := jsonv2.Marshal(wire, jsonv2.JoinOptions(lenient...), jsontext.PreserveRawStrings(true))
	if err != nil {
		return nil, fmt.Errorf("encoding event: %w", err)
	}
	if _, err := Parse(body); err != nil {
		return nil, fmt.Errorf("checking event: %w", err)
	}
	return body, nil
}

// Sample makes a realistic event of one of the documented Types, in the
// documented shape, for tools and tests. Its ids are new with every call and
// its times are now, in UTC and whole seconds. random is where the ids come
// from; nil means crypto/rand, and the same bytes give the same event. It
// returns ErrUnknownType for any other type. Marshal gives its body.
func Sample(typ string, now time.Time, random io.Reader) (Event, error) {
	if random == nil {
		random = rand.Reader
	}
	var seed [3 * idBytes]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return Event{}, fmt.Errorf("reading random bytes: %w", err)
	}
	now = now.UTC().Truncate(time.Second)
	payload, err := samplePayload(typ, now, newID("msg_", seed[idBytes:]), newID("dev_", seed[2*idBytes:]))
	if err != nil {
		return Event{}, err
	}
	data, err := jsonv2.Marshal(payload)
	if err != nil {
		return Event{}, fmt.Errorf("encoding data: %w", err)
	}
	return Event{ID: newID("evt_", seed[:]), Type: typ, CreatedAt: now, Data: data}, nil
}

// sampleNumber is the one of the platform's documentation.
const sampleNumber = "+15551234567"

func samplePayload(typ string, now time.Time, message, device string) (any, error) {
	switch typ {
	case TypeMessageDelivered:
		return MessageDelivered{MessageID: message, To: sampleNumber, DeliveredAt: now, DeviceID: device}, nil
	case TypeMessageRead:
		return MessageRead{MessageID: message, To: sampleNumber, ReadAt: now, DeviceID: device}, nil
	case TypeMessageFailed:
		return MessageFailed{
			MessageID: message, To: sampleNumber, FailedAt: now,
			ErrorCode: "recipient_unreachable", ErrorMessage: "Recipient has not installed the Inbox app",
		}, nil
	case TypeMessageAction:
		return MessageAction{
			MessageID: message, To: sampleNumber, Action: "confirm", ClickedAt: now,
			ActionData: ActionData{ButtonID: "btn_confirm", CustomData: json.RawMessage(`{"order_id":"A-123"}`)},
		}, nil
	}
	return nil, ErrUnknownType
}

// idBytes of 5 bits each make 80 bits: no two ids alike in any test.
const idBytes = 16

func newID(prefix string, random []byte) string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	id := []byte(prefix)
	for _, b := range random[:idBytes] {
		id = append(id, alphabet[b%32])
	}
	return string(id)
}
