package metrics

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Signature counts what a secret has signed, and knows when that was last.
type Signature struct {
	prometheus.Counter
	last *atomic.Int64 // nanoseconds since 1970, 0 for never
}

// Inc counts one more.
func (s Signature) Inc() {
	s.Counter.Inc()
	s.last.Store(time.Now().UnixNano())
}

// signatureTimes are when secrets were last used, by source and fingerprint.
type signatureTimes struct{ of sync.Map }

func (t *signatureTimes) at(source, fingerprint string) *atomic.Int64 {
	v, _ := t.of.LoadOrStore([2]string{source, fingerprint}, new(atomic.Int64))
	return v.(*atomic.Int64)
}

// Signatures returns the counter of what a secret of a source has signed. The secret
// is named by its fingerprint.
func (m *Counters) Signatures(source, fingerprint string) Signature {
	return Signature{m.signatures.WithLabelValues(source, fingerprint), m.used.at(source, fingerprint)}
}

// Used returns when a secret of a source was last used, zero for not since the start.
func (m *Counters) Used(source, fingerprint string) (t time.Time) {
	if at := m.used.at(source, fingerprint).Load(); at != 0 {
		t = time.Unix(0, at).UTC()
	}
	return t
}
