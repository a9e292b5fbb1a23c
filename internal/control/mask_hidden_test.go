package control

import "testing"

// A phone number is hidden wherever an app's answer or a body has it: in JSON that is
// quoted in JSON, in an address, and where the answer was cut off in its midst.
func TestMaskHidesWhatIsQuotedOrCut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"to":"491701234567"}`:                    `{"to":"4*********67"}`,
		`{"error":"no user \"491701234567\""}`:     `{"error":"no user \"4*********67\""}`,
		`{"e":"{\"e\":\"\\\"491701234567\\\"\"}"}`: `{"e":"{\"e\":\"\\\"4*********67\\\"\"}"}`,
		`{"to":"4917012345`:                        `{"to":"4*******45`,
		`{"to":"+4917012345`:                       `{"to":"+4*******45`,
		`GET /v1/users?phone=%2B491701234567`:      `GET /v1/users?phone=%2B**********67`,
		`GET /v1/users?phone=%2b491701234567&x=1`:  `GET /v1/users?phone=%2b**********67&x=1`,
		`{"id":"msg_491701234567","n":"12345"}`:    `{"id":"msg_491701234567","n":"12345"}`,
	} {
		if got := string(mask([]byte(text))); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}
