package caddymodule

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inboxgate/inboxgate/verify"
)

// checker is a set of secrets, and the counters of what they signed.
type checker struct {
	*verify.Verifier
	labels []string
	// used has the labels' order. It is made when the secrets are first needed:
	// a configuration that never ran shall leave no series behind.
	used func() []prometheus.Counter
}

func newChecker(source string, keys []verify.Secret) (*checker, error) {
	v, err := verify.New(keys...)
	if err != nil {
		return nil, err
	}
	c := &checker{Verifier: v}
	for _, k := range keys {
		c.labels = append(c.labels, k.Label)
	}
	c.used = sync.OnceValue(func() []prometheus.Counter {
		all := make([]prometheus.Counter, len(c.labels))
		for i, label := range c.labels {
			all[i] = meter().signatures.WithLabelValues(source, label)
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
	c.used()[match.Index].Inc()
	return nil
}

// valid calls f for each secret, with whether its time has not run out.
func (c *checker) valid(f func(label string, ok bool)) {
	expired := make(map[int]bool)
	for _, m := range c.Expired() {
		expired[m.Index] = true
	}
	for i, label := range c.labels {
		f(label, !expired[i])
	}
}
