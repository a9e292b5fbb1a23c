package platform

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrNoKey means that the client has no API key.
var ErrNoKey = errors.New("no API key: set INBOX_API_KEY or INBOX_API_KEY_FILE")

// APIError is an answer of the API that is not 2xx.
type APIError struct {
	// Status is the HTTP status.
	Status int
	// Code is the API's word for the error, empty if it gave none.
	Code string
	// Message is what the API said: one line of at most 300 characters without
	// control characters, empty if it said nothing that people can read.
	Message string
}

// Error is one line; to a refused key it adds what to do.
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

const maxMessage = 300

// oneLine makes foreign text fit for a terminal: escape sequences and line
// breaks of an answer must not reach it.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || r == utf8.RuneError || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(s); len(runes) > maxMessage {
		return string(runes[:maxMessage]) + "…"
	}
	return s
}
