package verify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"
)

// MinSecret is the length in bytes of the shortest secret that New takes.
const MinSecret = 16

// Errors of New, which say what to do about it.
var (
	// ErrNoSecret: New was called without a secret.
	ErrNoSecret = errors.New("no secret: give at least one, the signing secret of the webhook at the platform")
	// ErrEmptySecret: a secret has no bytes. Often a variable is not set.
	ErrEmptySecret = errors.New("secret is empty: set the variable or file it is read from")
	// ErrBlankSecret: a secret is nothing but white space.
	ErrBlankSecret = errors.New("secret is only white space: put the signing secret in its place")
	// ErrShortSecret: a secret has fewer than MinSecret bytes.
	ErrShortSecret = errors.New("secret is shorter than 16 bytes: use the whole signing secret, or have the platform make a new one")
)

// Secret is one key that signatures may be made with. It never prints its Key.
type Secret struct {
	// Key is the secret as the platform shows it, its bytes unchanged. At
	// least MinSecret bytes.
	Key []byte `json:"-"`
	// NotAfter is when the secret expires; from then on it is not tried. Zero
	// means never.
	NotAfter time.Time
	// Label names the secret in a Match and in errors, such as "old". Optional.
	Label string
}

// Key is a Secret without an expiry: verify.New(verify.Key("…")).
func Key(s string) Secret {
	return Secret{Key: []byte(s)}
}

// Format writes the label in place of the secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "secret("+s.Label+")")
}

// LogValue keeps the secret out of logs.
func (s Secret) LogValue() slog.Value {
	return slog.StringValue("secret(" + s.Label + ")")
}

func (s Secret) check() error {
	switch {
	case len(s.Key) == 0:
		return ErrEmptySecret
	case len(bytes.TrimSpace(s.Key)) == 0:
		return ErrBlankSecret
	case len(s.Key) < MinSecret:
		return ErrShortSecret
	}
	return nil
}

// name counts from 1, as people count the lines of a configuration.
func (s Secret) name(index int) string {
	n := strconv.Itoa(index + 1)
	if s.Label == "" {
		return n
	}
	return n + " (" + strconv.Quote(s.Label) + ")"
}
