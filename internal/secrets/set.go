// Package secrets reads the signing secrets of a source from where they are
// configured, and follows the files that hold them.
//
// Guarantee: a change of a file is taken over only if it makes a usable set of
// secrets; until then those before it stay valid. No error, warning or line of the log
// holds a secret: one is named by its fingerprint, or by its place in the
// configuration.
//
// Limits: files are looked at, about once a second, not watched; a change counts once
// two looks have seen the same.
package secrets

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"

	"github.com/inboxgate/inboxgate/internal/diagnose"
	"github.com/inboxgate/inboxgate/verify"
)

// Counter counts what a secret has signed.
type Counter interface{ Inc() }

// Set is a set of secrets, and the counters of what they signed.
type Set struct {
	*verify.Verifier
	// labels are the fingerprints of the secrets, in their order.
	labels []string
	// keys are the secrets as text, by which a sender's mistake is found.
	keys    []string
	counter func(fingerprint string) Counter
	// spare are those of lines that are also taken apart at their commas. One of
	// the two readings is nobody's secret, so these are shown only once used.
	spare map[int]bool
	// used has the labels' order. It is made when the secrets are first needed:
	// a configuration that never ran shall leave no series behind.
	used func() []Counter
}

// NewSet returns the set of those keys, which counts by what counter returns for the
// fingerprint of one of them.
func NewSet(keys []verify.Secret, counter func(fingerprint string) Counter) (*Set, error) {
	v, err := verify.New(keys...)
	if err != nil {
		return nil, err
	}
	c := &Set{Verifier: v, counter: counter, spare: make(map[int]bool)}
	for i, k := range keys {
		c.spare[i] = strings.HasSuffix(k.Label, verify.WholeLine)
		c.labels = append(c.labels, Fingerprint(k.Key))
		c.keys = append(c.keys, string(k.Key))
	}
	c.used = sync.OnceValue(func() []Counter {
		all := make([]Counter, len(c.labels))
		for i, label := range c.labels {
			if !c.spare[i] {
				all[i] = counter(label)
			}
		}
		return all
	})
	return c, nil
}

// Begin makes the counters, at 0.
func (c *Set) Begin() { c.used() }

// Check verifies a body as Verify does, and counts.
func (c *Set) Check(body []byte, signatures []string) error {
	match, err := c.Verify(body, signatures...)
	if err != nil {
		return err
	}
	if n := c.used()[match.Index]; n != nil {
		n.Inc()
		return nil
	}
	c.counter(c.labels[match.Index]).Inc()
	return nil
}

// Mistake returns the mistake by which a signature would be that of body under one of
// the secrets, if it is a usual one.
func (c *Set) Mistake(body []byte, signature string) ([]diagnose.Finding, bool) {
	return diagnose.Mistake(body, signature, c.keys)
}

// Valid returns the fingerprints of the secrets that are valid now.
func (c *Set) Valid() (labels []string) {
	c.Each(func(label string, ok bool) {
		if ok {
			labels = append(labels, label)
		}
	})
	return labels
}

// Each calls f for each secret, with whether its time has not run out.
func (c *Set) Each(f func(label string, ok bool)) {
	expired := make(map[int]bool)
	for _, m := range c.Expired() {
		expired[m.Index] = true
	}
	ok := make(map[string]bool) // A secret may stand twice.
	for i, label := range c.labels {
		ok[label] = ok[label] || !expired[i]
	}
	for i, label := range c.labels {
		if ok, first := ok[label], slices.Index(c.labels, label) == i; first && !c.spare[i] {
			f(label, ok)
		}
	}
}

// Fingerprint names a secret in metrics and logs, wherever it stands in the
// configuration. Of 16 random bytes or more it reveals nothing: to try secrets against it
// is no easier than to try them against a signature.
func Fingerprint(key []byte) string {
	h := sha256.New()
	_, _ = h.Write([]byte("inboxgate secret\x00"))
	_, _ = h.Write(key)
	return hex.EncodeToString(h.Sum(nil)[:4])
}
