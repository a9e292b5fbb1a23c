package caddymodule

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

// finding is one thing that is wrong, and what to do about it.
type finding struct{ cause, fix string }

// suspect is a change that turns what we have into what was perhaps signed.
// The one without a finding is no change at all.
type suspect struct {
	finding
	value []byte
	twice bool // It differs by two changes.
}

// maxReserialised bounds the bodies whose JSON is written in other ways.
const maxReserialised = 256 << 10

// diagnose says why a signature is not that of body: what is odd about its
// form, and which usual change of body, secret or algorithm would make it
// valid. It finds the smallest change first, and two together where one is not
// enough.
func diagnose(body []byte, signature string, secrets []string) []finding {
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
					return joinFindings(form, a.finding, b.finding)
				}
			}
			continue
		}
		if b, k, ok := search(a.hash, sum, bodySuspects(body), secretSuspects(secrets)); ok {
			return joinFindings(form, a.finding, b.finding, k.finding)
		}
	}
	if digits := 2 * len(sum); digits != 2*sha256.Size {
		return append(form, finding{fmt.Sprintf("the signature has %d hex digits and must have 64", digits), fixAlgorithm})
	}
	return append(form, unexplained(body, len(secrets)))
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
	case s.cause == "":
		return 0
	case s.twice:
		return 2
	}
	return 1
}

func joinFindings(form []finding, more ...finding) []finding {
	for _, f := range more {
		if f.cause != "" {
			form = append(form, f)
		}
	}
	return form
}

type algorithm struct {
	finding
	hash  func() hash.Hash
	size  int
	plain bool // Without a secret.
}

const fixAlgorithm = "sign with HMAC-SHA256 over the raw body, as the platform does"

var algorithms = []algorithm{
	{hash: sha256.New, size: sha256.Size},
	{hash: sha1.New, size: sha1.Size, finding: finding{"it is an HMAC with SHA-1", fixAlgorithm}},
	{hash: sha512.New, size: sha512.Size, finding: finding{"it is an HMAC with SHA-512", fixAlgorithm}},
	{hash: sha512.New384, size: sha512.Size384, finding: finding{"it is an HMAC with SHA-384", fixAlgorithm}},
	{hash: sha256.New, size: sha256.Size, plain: true, finding: finding{"it is the plain SHA-256 of the body, without the secret", fixAlgorithm}},
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
func unexplained(body []byte, secrets int) finding {
	looks := "not JSON"
	switch {
	case len(body) == 0:
		return finding{
			"the body is empty, and the signature is not that of an empty body",
			"give the file that holds the body, or send it to stdin: `" + programName() + " verify --signature … body.json`",
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
	return finding{
		fmt.Sprintf("no usual mistake explains it (%d bytes, %s); most likely %s and the sender's are not the same", len(body), looks, tried),
		"copy the secret of this very webhook anew from the platform, and make sure that the body is the one that came with this signature",
	}
}

// readSignature reads the digest out of a header value in whatever notation,
// and says what is wrong with that notation. Without a digest it cannot go on.
func readSignature(signature string) (sum []byte, odd []finding) {
	text, odd := unwrapSignature(signature)
	if text == "" {
		return nil, append(odd, finding{
			"there is nothing in the signature",
			"give the value of the request's " + verify.Header + " header; if the request has none, it was not sent by the platform, or a proxy took it away",
		})
	}
	if strings.Count(text, ",") >= verify.MaxTokens {
		odd = append(odd, finding{fmt.Sprintf("there are more than %d signatures", verify.MaxTokens), "send one"})
	}
	if first, _, more := strings.Cut(text, ","); more {
		text = strings.TrimSpace(first) // What is told is told of the first one.
	}
	return decodeSignature(text, odd)
}
