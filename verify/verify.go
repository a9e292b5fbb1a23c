// Package verify answers one question: was this body signed by one of these
// secrets? It knows the Inbox platform's X-Inbox-Signature header, which holds
// the HMAC-SHA256 of the raw body as hex, with or without "sha256=" (in any case) before it.
//
// Guarantee: Verify returns no error only if the header holds a whole
// signature (64 hex digits) of exactly these bytes under a secret that has not
// expired. Every active secret is tried against every signature that was sent,
// in constant time and without an early exit, so the time taken says nothing
// about a secret. No error text holds a secret, a signature or a body.
//
// Limits: the signature carries no time, so a captured request verifies for as
// long as its secret does. Whoever must not act twice on one event has to
// remember event ids and judge the signed created_at. Verify looks at raw
// bytes; it neither decompresses nor parses them. Handler of package event does
// all that for an app.
package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Header is the name of the request header that holds the signature.
const Header = "X-Inbox-Signature"

// MaxTokens is how many signatures one request may carry, over all values of
// the header and their comma lists. It bounds the work a stranger can ask for.
const MaxTokens = 8

// Errors of Verify. To the sender they are all the same 401; apart they help
// an operator to find out why.
var (
	// ErrMissing: there is no signature header, or nothing but blanks in it.
	ErrMissing = errors.New("signature is missing")
	// ErrMalformed: nothing in the header has the form of a signature, or it
	// holds more than MaxTokens of them.
	ErrMalformed = errors.New("signature is malformed")
	// ErrMismatch: there is a signature, but it is not one of this body under
	// an active secret.
	ErrMismatch = errors.New("signature does not match")
)

// Match names the secret that a signature was made with.
type Match struct {
	// Index is the secret's place among the arguments of New, from 0.
	Index int
	// Label is the Secret's Label.
	Label string
}

// Verifier checks signatures. It may be used by many goroutines at once and
// holds nothing to close.
type Verifier struct {
	signers []*signer
	now     func() time.Time
}

// New makes a Verifier for the given secrets, usually one, or two while a
// secret is being changed. It refuses to work without one and refuses those
// nobody should rely on: ErrNoSecret, ErrEmptySecret, ErrBlankSecret or
// ErrShortSecret. An expired secret is allowed and never tried.
func New(secrets ...Secret) (*Verifier, error) {
	if len(secrets) == 0 {
		return nil, ErrNoSecret
	}
	v := &Verifier{now: time.Now}
	for i, s := range secrets {
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("checking secret %s: %w", s.name(i), err)
		}
		v.signers = append(v.signers, newSigner(s, Match{Index: i, Label: s.Label}))
	}
	return v, nil
}

// WithClock returns a Verifier with the same secrets that asks now what time
// it is, for tests and for hosts that keep a clock of their own.
func (v *Verifier) WithClock(now func() time.Time) *Verifier {
	return &Verifier{signers: v.signers, now: now}
}

// Active is how many secrets have not expired. With none, nothing verifies.
func (v *Verifier) Active() int {
	return len(v.signers) - len(v.Expired())
}

// Expired names the secrets that are no longer tried, in the order of New.
func (v *Verifier) Expired() []Match {
	var expired []Match
	for _, s := range v.signers {
		if s.expired(v.now) {
			expired = append(expired, s.match)
		}
	}
	return expired
}

// Verify checks body against the values of the signature header, as
// http.Header.Values gives them: several header lines and comma lists are
// searched alike. One signature that matches is enough, whatever stands beside
// it. It returns which secret matched, or ErrMissing, ErrMalformed or
// ErrMismatch. It allocates nothing and keeps nothing of body.
func (v *Verifier) Verify(body []byte, headerValues ...string) (Match, error) {
	var sent tokens
	if err := sent.collect(headerValues); err != nil {
		return Match{}, err
	}
	var match Match
	found := 0
	for _, s := range v.signers {
		if s.expired(v.now) {
			continue
		}
		// The first secret wins where two are equal; the others are still tried.
		if ok := s.signed(body, sent.sums[:sent.n]); ok&^found == 1 {
			match, found = s.match, 1
		}
	}
	if found == 0 {
		return Match{}, ErrMismatch
	}
	return match, nil
}

// Sign returns the header's value for body: "sha256=" and 64 lower-case hex
// digits. It takes any secret, also one that New would refuse.
func Sign(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return prefix + hex.EncodeToString(mac.Sum(nil))
}
