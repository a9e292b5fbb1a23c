package orderkey_test

import (
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/orderkey"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, want string }{
		{"string", `{"id":"e","data":{"message_id":"msg_1","to":"x"}}`, "msg_1"},
		{"last member", `{"data":{"to":"x","message_id":"msg_1"},"type":"t"}`, "msg_1"},
		{"escaped string", `{"data":{"message_id":"m\u0073g\/1"}}`, "msg/1"},
		{"escaped names", `{"d\u0061ta":{"message\u005fid":"a"}}`, "a"},
		{"blanks", " {\n\t\"data\" : { \"message_id\" : \"a\" } } ", "a"},
		{"number", `{"data":{"message_id":12345678901234567890}}`, "12345678901234567890"},
		{"number as written", `{"data":{"message_id":1.0e1}}`, "1.0e1"},
		{"huge number", `{"data":{"message_id":1e400}}`, "1e400"},
		{"true", `{"data":{"message_id":true}}`, "true"},
		{"false", `{"data":{"message_id":false}}`, "false"},
		{"the last of two", `{"data":{"message_id":"a","message_id":"b"}}`, "b"},
		{"the last of two is none", `{"data":{"message_id":"a","message_id":null}}`, ""},
		{"the last data", `{"data":{"message_id":"a"},"data":{"message_id":"b"}}`, "b"},
		{"the last data is none", `{"data":{"message_id":"a"},"data":[]}`, ""},
		{"other text of data", `{"data":{"x":"\"message_id\":\"no\"","message_id":"yes"}}`, "yes"},
		{"lone surrogate", `{"data":{"message_id":"\ud800x"}}`, "\ufffdx"},
		{"NUL", `{"data":{"message_id":"\u0000"}}`, "\x00"},
		{"10,000 levels before", `{"data":{"x":` + strings.Repeat("[", 9998) + strings.Repeat("]", 9998) + `,"message_id":"a"}}`, "a"},
		{"1 MiB before", `{"data":{"x":"` + strings.Repeat("x", 1<<20) + `","message_id":"a"}}`, "a"},

		{"empty string", `{"data":{"message_id":""}}`, ""},
		{"null", `{"data":{"message_id":null}}`, ""},
		{"object", `{"data":{"message_id":{"message_id":"a"}}}`, ""},
		{"array", `{"data":{"message_id":["a"]}}`, ""},
		{"missing", `{"data":{"to":"x"}}`, ""},
		{"other case", `{"data":{"Message_Id":"a"}}`, ""},
		{"deeper", `{"data":{"x":{"message_id":"a"}}}`, ""},
		{"above", `{"message_id":"a","data":{}}`, ""},
		{"other case of data", `{"DATA":{"message_id":"a"}}`, ""},
		{"no data", `{"id":"e"}`, ""},
		{"data null", `{"data":null}`, ""},
		{"data string", `{"data":"message_id"}`, ""},
		{"array around", `[{"data":{"message_id":"a"}}]`, ""},
		{"no JSON", `{"data":{"message_id":"a"`, ""},
		{"no JSON at the end", `{"data":{"message_id":"a"},`, ""},
		{"empty", ``, ""},
		{"too deep", `{"data":{"x":` + strings.Repeat("[", 20000), ""},
	} {
		if got := orderkey.Of([]byte(c.body), "message_id"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := orderkey.Of([]byte(`{"data":{"":"a"}}`), ""); got != "" {
		t.Errorf("without a member there is no key, not %q", got)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, member := range []string{"message_id", "to", "Conversation-Id", "$ref", "größe"} {
		if err := orderkey.Check(member); err != nil {
			t.Errorf("%s: %v", member, err)
		}
	}
	for member, want := range map[string]string{
		"":                            "write it as order message_id",
		"data.message_id":             "write it as order message_id",
		"contact.id":                  "as order message_id",
		"data.contact.id":             "as order message_id",
		"data.":                       "as order message_id",
		"a b":                         "as order message_id",
		"{message_id}":                "as order message_id",
		"tags[0]":                     "as order message_id",
		strings.Repeat("x", 300):      "at most 256",
		"`message_id`":                "as order message_id",
		"data.\"message_id\"":         "as order message_id",
		strings.Repeat("é", 128) + "": "",
	} {
		err := orderkey.Check(member)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", member, err, want)
		}
	}
}

// FuzzOf finds that no body brings a panic, and that a key does not depend on what
// stands beside it.
func FuzzOf(f *testing.F) {
	f.Add(`{"x":[1e400,"\ud800",{"message_id":"no"}]}`, "msg_1")
	f.Add(`null`, "a")
	f.Fuzz(func(t *testing.T, other, key string) {
		orderkey.Of([]byte(other), "message_id")
		orderkey.Of([]byte(`{"data":`+other+`}`), "message_id")
		if orderkey.Of([]byte(`{"other":`+other+`}`), "message_id") != "" {
			return // It closed the object itself.
		}
		if strings.ContainsAny(key, "\"\\") || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == '\ufffd' }) {
			return
		}
		if orderkey.Of([]byte(`{"other":`+other+`,"data":{"data":{"message_id":"a"}}}`), "message_id") != "" {
			return
		}
		got := orderkey.Of([]byte(`{"other":`+other+`,"data":{"message_id":"`+key+`"}}`), "message_id")
		if got != key && got != "" {
			t.Errorf("beside %q the key is %q, want %q", other, got, key)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	for _, bb := range []struct{ name, body string }{
		{"270B", `{"id":"evt_1234567890","type":"message.failed","created_at":"2025-01-15T10:30:00Z","data":{"message_id":"msg_1234567890","to":"+15551234567","error_code":"recipient_unreachable","error_message":"Recipient has no app installed now","failed_at":"2025-01-15T10:30:00Z"}}`},
		{"16KiB", `{"id":"evt_1","data":{"list":[` + strings.Repeat(`{"k":"value","n":12345},`, 680) + `null],"message_id":"a"}}`},
	} {
		body := []byte(bb.body)
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if orderkey.Of(body, "message_id") == "" {
					b.Fatal("no key")
				}
			}
		})
	}
}
