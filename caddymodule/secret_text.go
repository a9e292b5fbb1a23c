package caddymodule

import (
	"errors"
	"fmt"
	"strings"

	"github.com/inboxgate/inboxgate/verify"
)

// oneToken is the one token that a text holds, empty where it holds none. A token
// is sent in a header, and nobody chooses one with marks around it: what is only
// odd about a secret is an error here.
func oneToken(text string) (string, error) {
	tokens, odd, err := verify.ParseSecrets("token", text)
	switch {
	case err != nil:
		return "", err
	case len(tokens) == 0:
		return "", nil
	case len(tokens) > 1:
		return "", fmt.Errorf("it holds %d values: leave only the token", len(tokens))
	case len(odd) > 0:
		return "", fmt.Errorf("it %s", odd[0])
	}
	return string(tokens[0].Key), nil
}

// oneKey is the API key that a text holds, empty where it holds none. A placeholder is
// let through: the platform's documentation has YOUR_API_KEY, and its lines are to
// work on the emulator as they stand; with the platform it opens nothing.
func oneKey(text string) (string, error) {
	key := strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\'' }) {
		return "", errors.New("it holds white space, quotation marks, or characters that no key has: leave only the key, in a file of UTF-8")
	}
	return key, nil
}
