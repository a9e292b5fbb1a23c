package event_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/inboxgate/inboxgate/event"
)

func Example() {
	ev, err := event.Parse([]byte(`{
		"id": "evt_1234567892", "type": "message.failed", "created_at": "2025-01-15T10:30:00Z",
		"data": {"message_id": "msg_1234567890", "error_code": "recipient_unreachable"}
	}`))
	if err != nil {
		fmt.Println(event.Reason(err))
		return
	}
	payload, err := ev.Payload()
	if err != nil {
		fmt.Println(err)
		return
	}
	switch p := payload.(type) {
	case event.MessageFailed:
		fmt.Println(ev.ID, p.MessageID, p.ErrorCode)
	default:
		fmt.Println("not handled:", ev.Type)
	}
	// Output: evt_1234567892 msg_1234567890 recipient_unreachable
}

func ExampleParse() {
	// encoding/json would take the second id, other parsers the first.
	_, err := event.Parse([]byte(`{"id":"evt_1","type":"message.read","id":"evt_2"}`))
	fmt.Println(errors.Is(err, event.ErrDuplicateKey), event.Reason(err))
	// Output: true duplicate key in JSON
}

func ExampleData() {
	// A type of one's own, for an event that the platform does not document.
	type sent struct {
		MessageID string `json:"message_id"`
	}
	ev, err := event.Parse([]byte(`{"id":"evt_1","type":"message.sent","data":{"message_id":"msg_7"}}`))
	if err != nil {
		fmt.Println(event.Reason(err))
		return
	}
	data, err := event.Data[sent](ev)
	fmt.Println(data.MessageID, err)
	// Output: msg_7 <nil>
}

func ExampleSample() {
	random := rand.NewChaCha8([32]byte{}) // nil would give fresh ids
	ev, err := event.Sample(event.TypeMessageRead, time.Date(2025, 1, 15, 10, 25, 15, 0, time.UTC), random)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := ev.Marshal()
	fmt.Printf("%s %v\n", body, err)
	// Output: {"id":"evt_s7yedpactf1y677b","type":"message.read","created_at":"2025-01-15T10:25:15Z","data":{"message_id":"msg_vvz3w11y4axa8rmm","to":"+15551234567","read_at":"2025-01-15T10:25:15Z","device_id":"dev_depfdxrkcmjynf3x"}} <nil>
}
