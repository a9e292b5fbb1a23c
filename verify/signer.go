package verify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"hash"
	"sync"
	"time"
)

// signer makes the signatures of one secret.
type signer struct {
	match    Match
	notAfter time.Time
	states   sync.Pool // of *state
}

// state is an HMAC that already holds the secret. Making one costs two more
// SHA-256 blocks and several allocations than resetting it.
type state struct {
	mac hash.Hash
	sum [sha256.Size]byte
}

func newSigner(s Secret, m Match) *signer {
	key := bytes.Clone(s.Key)
	return &signer{
		match:    m,
		notAfter: s.NotAfter,
		states: sync.Pool{New: func() any {
			st := &state{mac: hmac.New(sha256.New, key)}
			// The first Reset saves the keyed state that later ones restore.
			st.mac.Reset()
			return st
		}},
	}
}

// expired looks at the clock only where there is an end, as it costs as much
// as decoding a signature.
func (s *signer) expired(now func() time.Time) bool {
	return !s.notAfter.IsZero() && !now().Before(s.notAfter)
}

// signed returns 1 if any of sums is the signature of body, else 0. It
// compares with all of them, so that its time does not depend on which.
func (s *signer) signed(body []byte, sums [][sha256.Size]byte) int {
	st := s.states.Get().(*state)
	st.mac.Write(body)
	want := st.mac.Sum(st.sum[:0])
	found := 0
	for i := range sums {
		found |= subtle.ConstantTimeCompare(want, sums[i][:])
	}
	// Nothing of a body outlives the call.
	clear(st.sum[:])
	st.mac.Reset()
	s.states.Put(st)
	return found
}
