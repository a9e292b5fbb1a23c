package verify

import (
	"crypto/sha256"
	"strings"
)

const (
	prefix    = "sha256="
	hexDigits = 2 * sha256.Size
)

// tokens are the well-formed signatures of one request.
type tokens struct {
	sums [MaxTokens][sha256.Size]byte
	n    int
}

// collect reads the signatures out of the header's values. Empty list elements
// are skipped, as HTTP lists demand.
func (t *tokens) collect(values []string) error {
	seen := 0
	for _, value := range values {
		for more := true; more; {
			var token string
			token, value, more = strings.Cut(value, ",")
			token = strings.Trim(token, " \t")
			if token == "" {
				continue
			}
			if seen++; seen > MaxTokens {
				return ErrMalformed
			}
			if decode(&t.sums[t.n], token) {
				t.n++
			}
		}
	}
	switch {
	case seen == 0:
		return ErrMissing
	case t.n == 0:
		return ErrMalformed
	}
	return nil
}

// decode reads one signature, exactly 64 hex digits after at most one prefix, in
// any case: the name of an algorithm has none, and what counts are the digits.
// Half a signature must never count as one, so nothing shorter or longer does.
func decode(sum *[sha256.Size]byte, token string) bool {
	if len(token) > len(prefix) && strings.ToLower(token[:len(prefix)]) == prefix {
		token = token[len(prefix):]
	}
	if len(token) != hexDigits {
		return false
	}
	bad := byte(0)
	for i := range sum {
		hi, lo := nibbles[token[2*i]], nibbles[token[2*i+1]]
		bad |= hi | lo
		sum[i] = hi<<4 | lo&0xf
	}
	return bad&notHex == 0
}

// notHex marks the bytes that are no hex digit in nibbles.
const notHex = 0x80

var nibbles = func() (table [256]byte) {
	for c := range table {
		table[c] = notHex
	}
	for i, c := range []byte("0123456789abcdef") {
		table[c] = byte(i)
	}
	for i, c := range []byte("ABCDEF") {
		table[c] = byte(i) + 10
	}
	return table
}()
