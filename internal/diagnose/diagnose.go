// Package diagnose explains why a signature is not that of a body. It tries the
// mistakes that are usual on the way from the sender to here: a body that was
// written anew, a secret with a newline, a digest in another notation.
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

// Finding is one thing that is wrong, and what to do about it.
type Finding struct{ Cause, Fix string }

// suspect is a change that turns what we have into what was perhaps signed.
// The one without a finding is no change at all.
type suspect struct {
	Finding
	value []byte
	twice bool // It differs by two changes.
}

// maxReserialised bounds the bodies whose JSON is written in other ways.
const maxReserialised = 256 << 10

// Explain says why a signature is not that of body: what is odd about its
// form, and which usual change of body, secret or algorithm would make it
// valid. It finds the smallest change first, and two together where one is not
// enough. program is how the reader starts commands, for the fix that names one.
func Explain(body []byte, signature string, secrets []string, program string) []Finding {
	sum, form := readSignature(signature)
	if sum == nil {
		return form
	}
	if slices.ContainsFunc(secrets, func(s string) bool { return hmac.Equal(mac(sha256.New, []byte(s), body), sum) }) {
		return form // Nothing but its form is wrong.
	}
	for _, a := range algorithms {
		if a.size != len(sum) {
			continue
		}
		if a.plain {
			for _, b := range bodySuspects(body) {
				if hmac.Equal(plainSum(a.hash, b.value), sum) {
					return joinFindings(form, a.Finding, b.Finding)
				}
			}
			continue
		}
		if b, k, ok := search(a.hash, sum, bodySuspects(body), secretSuspects(secrets)); ok {
			return joinFindings(form, a.Finding, b.Finding, k.Finding)
		}
	}
	if digits := 2 * len(sum); digits != 2*sha256.Size {
		return append(form, Finding{fmt.Sprintf("the signature has %d hex digits and must have 64", digits), fixAlgorithm})
	}
	return append(form, unexplained(body, len(secrets), program))
}

// search tries every body with every secret, those with one change before
// those with more.
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

func (s suspect) changes() int {
	switch {
	case s.Cause == "":
		return 0
	case s.twice:
		return 2
	}
	return 1
}

func joinFindings(form []Finding, more ...Finding) []Finding {
	for _, f := range more {
		if f.Cause != "" {
			form = append(form, f)
		}
	}
	return form
}

type algorithm struct {
	Finding
	hash  func() hash.Hash
	size  int
	plain bool // Without a secret.
}

const fixAlgorithm = "sign with HMAC-SHA256 over the raw body, as the platform does"

var algorithms = []algorithm{
	{hash: sha256.New, size: sha256.Size},
	{hash: sha1.New, size: sha1.Size, Finding: Finding{"it is an HMAC with SHA-1", fixAlgorithm}},
	{hash: sha512.New, size: sha512.Size, Finding: Finding{"it is an HMAC with SHA-512", fixAlgorithm}},
	{hash: sha512.New384, size: sha512.Size384, Finding: Finding{"it is an HMAC with SHA-384", fixAlgorithm}},
	{hash: sha256.New, size: sha256.Size, plain: true, Finding: Finding{"it is the plain SHA-256 of the body, without the secret", fixAlgorithm}},
}

func mac(h func() hash.Hash, key, body []byte) []byte {
	m := hmac.New(h, key)
	m.Write(body)
	return m.Sum(nil)
}

func plainSum(h func() hash.Hash, body []byte) []byte {
	m := h()
	m.Write(body)
	return m.Sum(nil)
}

// unexplained is what remains to be said when no suspect fits. It describes
// the body without showing any of it.
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

// readSignature reads the digest out of a header value in whatever notation,
// and says what is wrong with that notation. Without a digest it cannot go on.
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
		text = strings.TrimSpace(first) // What is told is told of the first one.
	}
	return decodeSignature(text, odd)
}
