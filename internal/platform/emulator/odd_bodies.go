package emulator

import (
	"bytes"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/inboxgate/inboxgate/event"
)

// largest is the longest body that receivers commonly take, in bytes.
const largest = 1 << 20

// oddBodies are the ways to make a strange body of an event's usual one. They keep
// its id where they can.
var oddBodies = []struct {
	kind string
	make func(ev event.Event, body []byte) content
}{
	{"no_id", func(ev event.Event, body []byte) content {
		return newContent("", ev.Type, bytes.Replace(body, member("id", ev.ID), nil, 1), 0)
	}},
	{"no_type", func(ev event.Event, body []byte) content {
		return newContent(ev.ID, "", bytes.Replace(body, member("type", ev.Type), nil, 1), 0)
	}},
	{"number_id", func(ev event.Event, body []byte) content {
		return newContent("", ev.Type, bytes.Replace(body, member("id", ev.ID), []byte(`"id":1234567890,`), 1), 0)
	}},
	{"duplicate_key", func(ev event.Event, body []byte) content {
		id := member("id", ev.ID)
		return newContent(ev.ID, ev.Type, bytes.Replace(body, id, append(id, `"id":"evt_other",`...), 1), 0)
	}},
	{"broken_json", func(ev event.Event, body []byte) content {
		return newContent(ev.ID, ev.Type, body[:len(body)*2/3], 0)
	}},
	{"not_json", func(event.Event, []byte) content {
		return newContent("", "", []byte("<html>502 Bad Gateway "+newID("")+"</html>"), 0)
	}},
	{"array", func(ev event.Event, body []byte) content {
		return newContent(ev.ID, ev.Type, fmt.Appendf(nil, "[%s]", body), 0)
	}},
	{"trailing_data", func(ev event.Event, body []byte) content {
		return newContent(ev.ID, ev.Type, append(body, "{}"...), 0)
	}},
	{"bad_utf8", func(ev event.Event, body []byte) content {
		return newContent(ev.ID, ev.Type, append(body[:len(body)-1], ",\"\xff\":0}"...), 0)
	}},
	{"bad_created_at", func(ev event.Event, body []byte) content {
		was, _ := json.Marshal(ev.CreatedAt)
		return newContent(ev.ID, ev.Type, bytes.Replace(body, was, []byte(`"yesterday"`), 1), 0)
	}},
	{"stale", func(ev event.Event, body []byte) content {
		was, _ := json.Marshal(ev.CreatedAt)
		old, _ := json.Marshal(ev.CreatedAt.Add(-30 * 24 * time.Hour))
		return newContent(ev.ID, ev.Type, bytes.ReplaceAll(body, was, old), 0)
	}},
	// White space after a document changes nothing but its length.
	{"large", func(ev event.Event, body []byte) content {
		return newContent(ev.ID, ev.Type, body, largest-len(body))
	}},
	{"too_large", func(ev event.Event, body []byte) content {
		return newContent(ev.ID, ev.Type, body, largest-len(body)+1)
	}},
}

// member returns a member of an envelope as event.Event.Marshal writes it.
func member(name, value string) []byte { return fmt.Appendf(nil, "%q:%q,", name, value) }

// OddKinds returns the kinds of strange body. All are signed; "large" is a plain
// event of exactly 1 MiB and "too_large" one of a byte more, which a receiver
// with that limit never takes.
func OddKinds() (kinds []string) {
	for _, o := range oddBodies {
		kinds = append(kinds, o.kind)
	}
	return kinds
}

// oddContent returns a body of that kind, or the usual one for any other kind.
func oddContent(kind string, ev event.Event, body []byte) content {
	for _, o := range oddBodies {
		if o.kind == kind {
			return o.make(ev, body)
		}
	}
	return newContent(ev.ID, ev.Type, body, 0)
}

// unknownTypes are plausible and not documented.
var unknownTypes = []string{"message.sent", "message.expired", "device.added", "contact.updated", "billing.v2.invoice_paid"}

// renamed returns the event with another type, and its body.
func renamed(ev event.Event, typ string) (event.Event, []byte, error) {
	ev.Type = typ
	body, err := ev.Marshal()
	return ev, body, err
}
