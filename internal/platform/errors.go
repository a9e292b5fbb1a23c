package platform

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrNoKey is returned by a Client without an API key.
var ErrNoKey = errors.New("no API key: set INBOX_API_KEY or INBOX_API_KEY_FILE")

// APIError is an answer of the API that is not 2xx.
type APIError struct {
	// Status is the HTTP status.
	Status int
	// Code is the API's name of the error, empty if it gave none.
	Code string
	// Message is what the API said: one line of at most 300 characters without
	// control characters, empty if it said nothing that people can read.
	Message string
}

// Error returns one line. For a refused key it says what to check.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the API answered %d", e.Status)
	if text := http.StatusText(e.Status); text != "" {
		b.WriteString(" " + text)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Status == http.StatusUnauthorized {
		b.WriteString(" (check INBOX_API_KEY)")
	}
	return b.String()
}

// maxMessage is the length in characters of the longest text that is kept.
const maxMessage = 300

// oneLine returns text of others in one printable line of at most maxMessage
// characters: escape sequences of an answer must not reach a terminal.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || r == utf8.RuneError || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(s); len(runes) > maxMessage {
		return string(runes[:maxMessage]) + "…"
	}
	return s
}
