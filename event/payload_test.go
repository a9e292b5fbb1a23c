package event

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// documented returns the platform's own examples by type.
func documented(tb testing.TB) map[string][]byte {
	tb.Helper()
	docs := map[string][]byte{}
	for _, typ := range Types() {
		body, err := os.ReadFile("testdata/" + typ + ".json")
		if err != nil {
			tb.Fatal(err)
		}
		docs[typ] = body
	}
	return docs
}

func at(clock string) time.Time {
	t, err := time.Parse(time.RFC3339, "2025-01-15T"+clock+"Z")
	if err != nil {
		panic(err)
	}
	return t
}

func TestDocumentedEvents(t *testing.T) {
	t.Parallel()
	const message, number = "msg_1234567890", "+15551234567"
	want := map[string]struct {
		id      string
		created time.Time
		payload any
	}{
		TypeMessageDelivered: {"evt_1234567890", at("10:25:03"), MessageDelivered{
			MessageID: message, To: number, DeliveredAt: at("10:25:03"), DeviceID: "dev_abcdef123456",
		}},
		TypeMessageRead: {"evt_1234567891", at("10:25:15"), MessageRead{
			MessageID: message, To: number, ReadAt: at("10:25:15"), DeviceID: "dev_abcdef123456",
		}},
		TypeMessageFailed: {"evt_1234567892", at("10:30:00"), MessageFailed{
			MessageID: message, To: number, ErrorCode: "recipient_unreachable",
			ErrorMessage: "Recipient has not installed the Inbox app", FailedAt: at("10:30:00"),
		}},
		TypeMessageAction: {"evt_1234567893", at("10:26:00"), MessageAction{
			MessageID: message, To: number, Action: "confirm", ClickedAt: at("10:26:00"),
			ActionData: ActionData{ButtonID: "btn_confirm", CustomData: stdjson.RawMessage(`{"order_id": "A-123"}`)},
		}},
	}
	for typ, body := range documented(t) {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			ev, err := Parse(body)
			if err != nil {
				t.Fatal(err)
			}
			w := want[typ]
			if ev.ID != w.id || ev.Type != typ || !ev.CreatedAt.Equal(w.created) {
				t.Errorf("envelope: %s %s %s", ev.ID, ev.Type, ev.CreatedAt)
			}
			payload, err := ev.Payload()
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(payload, w.payload) {
				t.Errorf("payload:\n got %#v\nwant %#v", payload, w.payload)
			}
			// Written again, by this library or the standard one, it is the
			// same document.
			ev.Data, err = json.Marshal(payload)
			if err != nil {
				t.Fatal(err)
			}
			again, err := ev.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			equalJSON(t, again, body)
			ev.Data, err = stdjson.Marshal(payload)
			if err != nil {
				t.Fatal(err)
			}
			if again, err = ev.Marshal(); err != nil {
				t.Fatal(err)
			}
			equalJSON(t, again, body)
		})
	}
}

func equalJSON(t *testing.T, got, want []byte) {
	t.Helper()
	g, w := jsontext.Value(bytes.Clone(got)), jsontext.Value(bytes.Clone(want))
	if err := errors.Join(g.Canonicalize(), w.Canonicalize()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g, w) {
		t.Errorf("JSON differs:\n got %s\nwant %s", g, w)
	}
}

// A type that nobody knows is no payload, and must not pass for one: its data
// is there as it came.
func TestPayloadOfOtherTypes(t *testing.T) {
	t.Parallel()
	ev, err := Parse([]byte(`{"id":"e","type":"message.sent","data":{"n": 1e400, "x":[]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []Event{ev, {ID: "e", Type: "message.sent"}} {
		if payload, err := e.Payload(); payload != nil || !errors.Is(err, ErrUnknownType) {
			t.Errorf("got %T, %v", payload, err)
		}
	}
	if string(ev.Data) != `{"n": 1e400, "x":[]}` {
		t.Errorf("data is %s", ev.Data)
	}
}

func TestPayloadThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for _, typ := range Types() {
		p, err := Event{ID: "e", Type: typ}.Payload()
		if p != nil || !errors.Is(err, ErrNoData) {
			t.Errorf("%s without data: %v, %v", typ, p, err)
		}
	}
	for _, data := range []string{`[]`, `"x"`, `{"to":1}`, `{"delivered_at":"soon"}`} {
		p, err := Event{ID: "e", Type: TypeMessageDelivered, Data: stdjson.RawMessage(data)}.Payload()
		if p != nil || err == nil {
			t.Errorf("%s: got %v, %v", data, p, err)
		}
		if Reason(err) != "" {
			t.Errorf("%s: has the public reason %q", data, Reason(err))
		}
	}
	// More than documented, or less, is no error: the platform may grow.
	p, err := Event{Type: TypeMessageRead, Data: stdjson.RawMessage(`{"to":"+1","new":{}}`)}.Payload()
	if err != nil || p != (MessageRead{To: "+1"}) {
		t.Errorf("got %v, %v", p, err)
	}
}
