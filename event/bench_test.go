package event

import (
	stdjson "encoding/json"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var sink Event

// BenchmarkParse stands beside what an app would write with encoding/json,
// which takes the last of two equal names, ignores their case and lets bad
// UTF-8 pass, and beside a struct decoded by the library we stand on.
func BenchmarkParse(b *testing.B) {
	action := documented(b)[TypeMessageAction]
	bodies := []struct{ name, body string }{
		{"270B", `{"id":"evt_1234567890","type":"message.failed","created_at":"2025-01-15T10:30:00Z","data":{"message_id":"msg_1234567890","to":"+15551234567","error_code":"recipient_unreachable","error_message":"Recipient has no app installed now","failed_at":"2025-01-15T10:30:00Z"}}`},
		{"action-indented", string(action)},
		{"16KiB", `{"id":"evt_1","type":"message.action","created_at":"2025-01-15T10:30:00Z","data":{"list":[` + strings.Repeat(`{"k":"value","n":12345},`, 680) + `null]}}`},
	}
	for _, bb := range bodies {
		body := []byte(bb.body)
		run := func(name string, parse func() error) {
			b.Run(bb.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					if err := parse(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("Parse", func() (err error) { sink, err = Parse(body); return err })
		run("go-json-experiment", func() error {
			var e struct {
				ID        string         `json:"id"`
				Type      string         `json:"type"`
				CreatedAt string         `json:"created_at"`
				Data      jsontext.Value `json:"data"`
			}
			return json.Unmarshal(body, &e)
		})
		run("encoding-json", func() error {
			var e struct {
				ID        string             `json:"id"`
				Type      string             `json:"type"`
				CreatedAt string             `json:"created_at"`
				Data      stdjson.RawMessage `json:"data"`
			}
			return stdjson.Unmarshal(body, &e)
		})
	}
}
