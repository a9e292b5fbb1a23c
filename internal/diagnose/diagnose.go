// Package diagnose explains why a signature is not that of a body. It tries the
// mistakes that are usual on the way from the sender to here: a body that a
// parser has rewritten, a secret with a newline, a digest in another notation.
//
// Guarantee: a finding was tried and fits the signature, or it says that none does.
// Findings show neither body nor secret.
//
// Limits: two mistakes at once are found only where one of them is at an end of the
// body; JSON is written in other ways up to 256 KiB.
package diagnose

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // To recognise it, not to rely on it.
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/inboxgate/inboxgate/verify"
)

// Finding is one thing that is wrong, and what to do about it, in words.
type Finding struct{ Cause, Fix string }

// suspect is a body or a secret that was perhaps used instead of the one given.
type suspect struct {
	Finding // what would be wrong; empty for the one given itself
	value   []byte
	twice   bool // it differs by two changes
}

// maxReserialised is up to which size the JSON of a body is written in other ways.
const maxReserialised = 256 << 10

// Explain returns why a signature is not that of body: what is odd about its
// form, and which usual change of body, secret or algorithm would make it
// valid. It finds the smallest change first, and two together where one is not
// enough. program is how the reader starts commands, for the fix that names one.
func Explain(body []byte, signature string, secrets []string, program string) []Finding {
	if found, ok := Mistake(body, signature, secrets); ok {
		return found
	}
	sum, form := readSignature(signature)
	switch digits := 2 * len(sum); {
	case sum == nil:
		return form
	case digits != 2*sha256.Size:
		return append(form, Finding{fmt.Sprintf("the signature has %d hex digits and must have 64", digits), fixAlgorithm})
	}
	return append(form, unexplained(body, len(secrets), program))
}

// Mistake returns the findings with which the signature fits one of the secrets. ok
// reports whether there are any: of a signature that a stranger has made up there are
// none.
func Mistake(body []byte, signature string, secrets []string) (found []Finding, ok bool) {
	sum, form := readSignature(signature)
	if slices.ContainsFunc(secrets, func(s string) bool { return hmac.Equal(mac(sha256.New, []byte(s), body), sum) }) {
		return form, true // Nothing but its form is wrong.
	}
	for _, a := range algorithms {
		if a.size != len(sum) {
			continue
		}
		if a.plain {
			for _, b := range bodySuspects(body) {
				if hmac.Equal(plainSum(a.hash, b.value), sum) {
					return joinFindings(form, a.Finding, b.Finding), true
				}
			}
			continue
		}
		if b, k, ok := search(a.hash, sum, bodySuspects(body), secretSuspects(secrets)); ok {
			return joinFindings(form, a.Finding, b.Finding, k.Finding), true
		}
	}
	return nil, false
}

// search tries every body with every secret, first those with the fewest changes.
func search(h func() hash.Hash, sum []byte, bodies, keys []suspect) (body, key suspect, found bool) {
	for changes := range 4 {
		for _, b := range bodies {
			for _, k := range keys {
				if b.changes()+k.changes() == changes && hmac.Equal(mac(h, k.value, b.value), sum) {
					return b, k, true
				}
			}
		}
	}
	return suspect{}, suspect{}, false
}

// changes returns by how many changes it differs from the one given.
func (s suspect) changes() int {
	switch {
	case s.Cause == "":
		return 0
	case s.twice:
		return 2
	}
	return 1
}

// joinFindings appends the findings that are not empty.
func joinFindings(form []Finding, more ...Finding) []Finding {
	for _, f := range more {
		if f.Cause != "" {
			form = append(form, f)
		}
	}
	return form
}

// algorithm is a way to sign that was perhaps used.
type algorithm struct {
	Finding // empty for the right one
	hash    func() hash.Hash
	size    int  // of the digest, in bytes
	plain   bool // a hash of the body without the secret
}

const fixAlgorithm = "sign with HMAC-SHA256 over the raw body, as the platform does"

var algorithms = []algorithm{
	{hash: sha256.New, size: sha256.Size},
	{hash: sha1.New, size: sha1.Size, Finding: Finding{"it is an HMAC with SHA-1", fixAlgorithm}},
	{hash: sha512.New, size: sha512.Size, Finding: Finding{"it is an HMAC with SHA-512", fixAlgorithm}},
	{hash: sha512.New384, size: sha512.Size384, Finding: Finding{"it is an HMAC with SHA-384", fixAlgorithm}},
	{hash: sha256.New, size: sha256.Size, plain: true, Finding: Finding{"it is the plain SHA-256 of the body, without the secret", fixAlgorithm}},
}

// mac returns the HMAC of body.
func mac(h func() hash.Hash, key, body []byte) []byte {
	m := hmac.New(h, key)
	m.Write(body)
	return m.Sum(nil)
}

// plainSum returns the hash of body.
func plainSum(h func() hash.Hash, body []byte) []byte {
	m := h()
	m.Write(body)
	return m.Sum(nil)
}

// unexplained returns the finding that no suspect fits. It describes the body without
// showing any of it.
func unexplained(body []byte, secrets int, program string) Finding {
	looks := "not JSON"
	switch {
	case len(body) == 0:
		return Finding{
			"the body is empty, and the signature is not that of an empty body",
			"give the file that holds the body, or send it to stdin: `" + program + " verify --signature … body.json`",
		}
	case jsontext.Value(body).IsValid():
		looks = "valid JSON"
	}
	if bytes.HasSuffix(body, []byte("\n")) {
		looks += " with a newline at the end"
	}
	tried := "the secret"
	if secrets > 1 {
		tried = fmt.Sprintf("the %d secrets", secrets)
	}
	return Finding{
		fmt.Sprintf("no usual mistake explains it (%d bytes, %s); most likely %s and the sender's are not the same", len(body), looks, tried),
		"copy the secret of this very webhook anew from the platform, and make sure that the body is the one that came with this signature",
	}
}

// readSignature returns the digest in a header's value, in whatever notation, and what
// is odd about the notation. sum is nil if there is no digest in it.
func readSignature(signature string) (sum []byte, odd []Finding) {
	text, odd := unwrapSignature(signature)
	if text == "" {
		return nil, append(odd, Finding{
			"there is nothing in the signature",
			"give the value of the request's " + verify.Header + " header; if the request has none, it was not sent by the platform, or a proxy took it away",
		})
	}
	if strings.Count(text, ",") >= verify.MaxTokens {
		odd = append(odd, Finding{fmt.Sprintf("there are more than %d signatures", verify.MaxTokens), "send one"})
	}
	if first, _, more := strings.Cut(text, ","); more {
		text = strings.TrimSpace(first) // The findings are about the first one.
	}
	return decodeSignature(text, odd)
}
