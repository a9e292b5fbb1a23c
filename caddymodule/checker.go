package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/verify"
)

// checker is a set of secrets, and the counters of what they signed.
type checker struct {
	*verify.Verifier
	// labels are the fingerprints of the secrets, in their order.
	labels []string
	source string
	// spare are those of lines that are also taken apart at their commas. One of
	// the two readings is nobody's secret, so these are shown only once used.
	spare map[int]bool
	// used has the labels' order. It is made when the secrets are first needed:
	// a configuration that never ran shall leave no series behind.
	used func() []prometheus.Counter
}

func newChecker(source string, keys []verify.Secret) (*checker, error) {
	v, err := verify.New(keys...)
	if err != nil {
		return nil, err
	}
	c := &checker{Verifier: v, source: source, spare: make(map[int]bool)}
	for i, k := range keys {
		c.spare[i] = strings.HasSuffix(k.Label, verify.WholeLine)
		c.labels = append(c.labels, fingerprintOf(k.Key))
	}
	c.used = sync.OnceValue(func() []prometheus.Counter {
		all := make([]prometheus.Counter, len(c.labels))
		for i, label := range c.labels {
			if !c.spare[i] {
				all[i] = metrics.Process().Signatures(source, label)
			}
		}
		return all
	})
	return c, nil
}

// check is Verify, counted.
func (c *checker) check(body []byte, signatures []string) error {
	match, err := c.Verify(body, signatures...)
	if err != nil {
		return err
	}
	if n := c.used()[match.Index]; n != nil {
		n.Inc()
		return nil
	}
	metrics.Process().Signatures(c.source, c.labels[match.Index]).Inc()
	return nil
}

// shown are the fingerprints of the secrets that are valid now.
func (c *checker) shown() (labels []string) {
	c.valid(func(label string, ok bool) {
		if ok {
			labels = append(labels, label)
		}
	})
	return labels
}

// valid calls f for each secret, with whether its time has not run out.
func (c *checker) valid(f func(label string, ok bool)) {
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

// fingerprintOf names a secret in metrics and logs, wherever it stands in the
// configuration. Of 16 random bytes or more it tells nothing: whoever tries
// secrets against it could as well try them against a signature.
func fingerprintOf(key []byte) string {
	h := sha256.New()
	_, _ = h.Write([]byte("inboxgate secret\x00"))
	_, _ = h.Write(key)
	return hex.EncodeToString(h.Sum(nil)[:4])
}
