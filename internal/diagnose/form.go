package diagnose

import (
	"crypto/sha1" //nolint:gosec // To recognise it, not to rely on it.
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/inboxgate/inboxgate/verify"
)

const (
	signaturePrefix = "sha256="
	fixForm         = "send \"" + signaturePrefix + "\" and 64 hex digits, nothing before, between or after"
)

// unwrapSignature removes what people copy along with a header's value.
func unwrapSignature(s string) (text string, odd []Finding) {
	text = strings.TrimSpace(s)
	if name, value, ok := strings.Cut(text, ":"); ok && strings.EqualFold(strings.TrimSpace(name), verify.Header) {
		text = strings.TrimSpace(value)
		odd = append(odd, Finding{"the signature begins with the header's name", "give only what follows the colon"})
	}
	if bare := strings.Trim(text, "\"'`"); bare != text {
		text = strings.TrimSpace(bare)
		odd = append(odd, Finding{"the signature stands in quotes", "give it without them"})
	}
	return text, odd
}

// decodeSignature returns the digest of one signature of any algorithm, with any
// prefix, in hex or base64; nil if it is none. It adds what is odd about it.
func decodeSignature(text string, odd []Finding) ([]byte, []Finding) {
	digits := text
	if n := len(signaturePrefix); len(text) > n && strings.EqualFold(text[:n], signaturePrefix) {
		digits = text[n:]
	} else if prefix, value, ok := cutPrefix(text); ok {
		digits = value
		odd = append(odd, Finding{fmt.Sprintf("the signature begins with %q", prefix), "the platform's begins with \"" + signaturePrefix + "\", or with its first digit"})
	}
	if strings.HasPrefix(digits, signaturePrefix) {
		digits = strings.TrimPrefix(digits, signaturePrefix)
		odd = append(odd, Finding{"the prefix \"" + signaturePrefix + "\" stands twice", fixForm})
	}
	if tidy := strings.Join(strings.FieldsFunc(digits, func(r rune) bool { return r == ':' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }), ""); tidy != digits {
		digits = tidy
		odd = append(odd, Finding{"there are spaces or colons between the digits", fixForm})
	}
	if sum, err := hex.DecodeString(digits); err == nil {
		return lengthOf(sum, len(digits), odd)
	}
	if sum, ok := decodeBase64(digits); ok && knownSize(len(sum)) {
		return sum, append(odd, Finding{"the signature is written in base64", "write the digest as 64 hex digits"})
	}
	return nil, append(odd, notHex(digits))
}

// lengthOf returns the digest if it has the length of an algorithm's. Explain then
// tries that algorithm.
func lengthOf(sum []byte, digits int, odd []Finding) ([]byte, []Finding) {
	if knownSize(len(sum)) {
		return sum, odd
	}
	how := "cut off"
	if digits > 2*sha256.Size {
		how = "two copies, or something is appended"
	}
	return nil, append(odd, Finding{fmt.Sprintf("the signature has %d hex digits and must have 64: it is %s", digits, how), "copy the whole value of the header"})
}

// notHex returns what keeps digits from being hex.
func notHex(digits string) Finding {
	for i, r := range digits {
		if !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return Finding{fmt.Sprintf("character %d of the signature is no hex digit (it has %d characters, and must have 64 of 0-9 and a-f)", i+1, len(digits)), fixForm}
		}
	}
	return Finding{fmt.Sprintf("the signature has %d hex digits and must have 64: it is cut off", len(digits)), "copy the whole value of the header"}
}

// knownSize reports whether n is the size of a digest that Explain can try.
func knownSize(n int) bool {
	switch n {
	case sha1.Size, sha256.Size, sha512.Size384, sha512.Size:
		return true
	}
	return false
}

// cutPrefix removes the name of a scheme: letters and digits up to a = or :.
func cutPrefix(text string) (prefix, rest string, found bool) {
	at := strings.IndexAny(text, "=:")
	if at < 1 || at > 16 || at+1 == len(text) {
		return "", "", false
	}
	// Padding of base64 is no scheme.
	if strings.Trim(text[at:], "=") == "" {
		return "", "", false
	}
	// Hex digits in groups, as some tools print them, are no scheme either.
	if _, err := hex.DecodeString(text[:at]); err == nil {
		return "", "", false
	}
	return text[:at+1], strings.TrimSpace(text[at+1:]), true
}

// decodeBase64 decodes either alphabet, with or without padding.
func decodeBase64(s string) ([]byte, bool) {
	bare := strings.TrimRight(s, "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(bare); err == nil && len(b) > 0 {
			return b, true
		}
	}
	return nil, false
}
