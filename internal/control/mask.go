package control

import (
	"bytes"
	"encoding/json"
	"regexp"
)

// phones matches numbers as the platform writes them, with a plus, which an address has
// as %2B, and JSON strings of nothing but 7 to 15 digits. Of an app's answer only the
// start is kept, so that one may end with it; an answer that quotes JSON has it escaped.
var phones = regexp.MustCompile(`(?:\+|%2[Bb])[0-9][0-9 ().-]{4,18}[0-9]|"[0-9]{7,15}(?:\\*"|$)`)

// mask returns text with the middle of each phone number hidden. Escaped text is
// searched too: a JSON writer may have written the plus as \u002b.
func mask(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte(`\u002b`), []byte(`+`))
	text = bytes.ReplaceAll(text, []byte(`\u002B`), []byte(`+`))
	return phones.ReplaceAllFunc(text, hide)
}

// hide returns a number with all digits as * but the first and the last two.
func hide(number []byte) []byte {
	out := bytes.Clone(number)
	digits := 0
	for _, c := range out {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	n := 0
	for i, c := range out {
		if c < '0' || c > '9' {
			continue
		}
		if n++; n > 1 && n <= digits-2 {
			out[i] = '*'
		}
	}
	return out
}

// messageID returns data.message_id of a body, empty where it has none.
func messageID(body []byte) string {
	if !bytes.Contains(body, []byte("message_id")) {
		return ""
	}
	var e struct {
		Data struct {
			MessageID string `json:"message_id"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &e) != nil {
		return ""
	}
	return e.Data.MessageID
}
