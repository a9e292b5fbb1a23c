package caddymodule

import (
	"fmt"

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
