package emulator

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
)

// ErrClosed is returned once the emulator was closed.
var ErrClosed = errors.New("the emulator is closed")

const (
	maxURL         = 2048 // bytes
	maxDescription = 1024 // bytes
)

// refusal returns an error that the API answers with.
func refusal(status int, code, format string, args ...any) error {
	return &platform.APIError{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// invalid returns the error for a body that is JSON but not what it should be.
func invalid(format string, args ...any) error {
	return refusal(http.StatusUnprocessableEntity, "invalid_request", format, args...)
}

func noWebhook(id string) error {
	return refusal(http.StatusNotFound, "not_found", "no webhook %q", tidy(id))
}

// check returns what is wrong with a registration.
func check(r platform.Registration) error {
	if err := checkURL(r.URL); err != nil {
		return err
	}
	if len(r.Events) == 0 {
		return invalid("events is empty: list at least one of %s", strings.Join(event.Types(), ", "))
	}
	for i, typ := range r.Events {
		if err := checkType(typ); err != nil {
			return err
		}
		if slices.Contains(r.Events[:i], typ) {
			return invalid("events lists %s twice", typ)
		}
	}
	if len(r.Description) > maxDescription || !utf8.ValidString(r.Description) {
		return invalid("description is longer than %d bytes", maxDescription)
	}
	return nil
}

func checkURL(s string) error {
	if s == "" {
		return invalid("url is missing")
	}
	u, err := url.Parse(s)
	switch {
	case len(s) > maxURL:
		return invalid("url is longer than %d bytes", maxURL)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return invalid("url must be an absolute http or https URL, such as https://yourapp.com/webhooks/inbox")
	case u.User != nil:
		return invalid("url must not hold a user or password")
	case u.Fragment != "":
		return invalid("url must not have a fragment")
	}
	return nil
}

func checkType(typ string) error {
	switch {
	case typ == "":
		return invalid("the event type is missing: it is one of %s", strings.Join(event.Types(), ", "))
	case !slices.Contains(event.Types(), typ):
		return invalid("unknown event type %q: it is one of %s", tidy(typ), strings.Join(event.Types(), ", "))
	}
	return nil
}
