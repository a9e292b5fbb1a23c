package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
)

// MessageDelivered is the data of a message.delivered: the message reached the
// recipient's device.
type MessageDelivered struct {
	MessageID   string    `json:"message_id"`
	To          string    `json:"to"` // a phone number: never log it
	DeliveredAt time.Time `json:"delivered_at"`
	DeviceID    string    `json:"device_id"`
}

// MessageRead is the data of a message.read: the recipient opened the message.
type MessageRead struct {
	MessageID string    `json:"message_id"`
	To        string    `json:"to"` // a phone number: never log it
	ReadAt    time.Time `json:"read_at"`
	DeviceID  string    `json:"device_id"`
}

// MessageFailed is the data of a message.failed: the platform gave up.
type MessageFailed struct {
	MessageID    string    `json:"message_id"`
	To           string    `json:"to"` // a phone number: never log it
	ErrorCode    string    `json:"error_code"`
	ErrorMessage string    `json:"error_message"`
	FailedAt     time.Time `json:"failed_at"`
}

// MessageAction is the data of a message.action: the recipient pressed a
// button of the message.
type MessageAction struct {
	MessageID  string     `json:"message_id"`
	To         string     `json:"to"` // a phone number: never log it
	Action     string     `json:"action"`
	ActionData ActionData `json:"action_data"`
	ClickedAt  time.Time  `json:"clicked_at"`
}

// ActionData says which button was pressed.
type ActionData struct {
	ButtonID string `json:"button_id"`
	// CustomData is what the sender of the message gave with the button, as
	// raw JSON. Nil where there is none.
	CustomData json.RawMessage `json:"custom_data,omitzero"`
}

// ErrNoData means that an event has no member data.
var ErrNoData = errors.New("data is missing")

// Payload returns the event's data as MessageDelivered, MessageRead,
// MessageFailed or MessageAction (values, not pointers), and ErrUnknownType for
// any other type, whose data is in e.Data and can be decoded with Data. Members
// that the payload does not know are ignored and missing ones stay zero. The
// other errors are those of Data; their texts are not public.
func (e Event) Payload() (any, error) {
	switch e.Type {
	case TypeMessageDelivered:
		return anyOf(Data[MessageDelivered](e))
	case TypeMessageRead:
		return anyOf(Data[MessageRead](e))
	case TypeMessageFailed:
		return anyOf(Data[MessageFailed](e))
	case TypeMessageAction:
		return anyOf(Data[MessageAction](e))
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownType, e.Type)
}

// anyOf keeps a zero payload from passing for a real one beside an error.
func anyOf[T any](payload T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return payload, nil
}

// Data decodes the event's data into a T, also a type of the caller's own. It
// does not look at the event's type. Of a name that stands twice in an object the
// last counts, and half a surrogate pair becomes U+FFFD, as the platform's own
// JavaScript examples have it. It returns ErrNoData where there is none.
func Data[T any](e Event) (T, error) {
	var payload T
	if e.Data == nil {
		return payload, ErrNoData
	}
	if err := jsonv2.Unmarshal(e.Data, &payload, lenient...); err != nil {
		var zero T
		return zero, fmt.Errorf("decoding data of a %s event: %w", e.Type, err)
	}
	return payload, nil
}
