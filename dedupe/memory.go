package dedupe

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// Defaults of a Memory.
const (
	// DefaultWindow is how long a Memory remembers a key at least.
	DefaultWindow = 24 * time.Hour
	// DefaultMax is how many keys a Memory holds at most.
	DefaultMax = 500_000
)

// spans is how many parts the window has. Keys expire a part at a time, so
// they are remembered for up to a part longer than the window.
const spans = 8

// Memory is an exact set of keys that lives and dies with the process. It holds
// each key for the window and up to an eighth longer, and never forgets one
// early: when it is full of keys that have not expired, it refuses new ones.
//
// A key costs 64 bytes and the slack of a Go map: 75 to 160 bytes, whatever its
// length, none of which the garbage collector has to scan. Keys are compared by
// their SHA-256.
type Memory struct {
	width  time.Duration
	window time.Duration
	max    int
	now    func() time.Time

	mu      sync.Mutex
	spans   []span // oldest first
	size    int    // keys in all spans
	pending map[fingerprint]struct{}

	copies *Gate[Verdict] // lets the copies of a key wait in Once; it has no cache
}

type fingerprint [sha256.Size]byte

// span holds the keys that were remembered in one part of the window. It is
// dropped whole: nothing walks over keys while others wait.
type span struct {
	end  time.Time
	keys map[fingerprint]Digest
}

// NewMemory makes a memory. window and max default to DefaultWindow and
// DefaultMax where they are not positive; a nil now means time.Now, which the
// setting of the machine's clock does not disturb.
func NewMemory(window time.Duration, max int, now func() time.Time) *Memory {
	if window <= 0 {
		window = DefaultWindow
	}
	if max <= 0 {
		max = DefaultMax
	}
	if now == nil {
		now = time.Now
	}
	return &Memory{
		width:   window/spans + 1,
		window:  window,
		max:     max,
		now:     now,
		pending: make(map[fingerprint]struct{}),
		copies:  newGate[Verdict](none{}, 0),
	}
}

// Accept answers Duplicate or Conflict for a key that it remembers. For a new
// one it keeps a place, runs handle, and answers Accepted and remembers the key
// if handle returned nil; else it gives the place back and returns handle's
// error as it is. It is all that a Judge needs, for a program with a Gate of its
// own. It lets no copy wait, as Once does, and runs handle in the caller's
// goroutine.
//
// ErrFull: no place; handle was not run. ErrPending: handle is just running for
// that key, which cannot be behind a Gate.
func (m *Memory) Accept(ctx context.Context, key string, digest Digest, handle func(context.Context) error) (Verdict, error) {
	k := fingerprint(sha256.Sum256([]byte(key)))
	if v, err := m.reserve(k, digest); v != 0 || err != nil {
		return v, err
	}
	handled := false
	// Deferred, so that a panic of handle leaves no place taken.
	defer func() { m.settle(k, digest, handled) }()
	if err := handle(ctx); err != nil {
		return 0, err
	}
	handled = true
	return Accepted, nil
}

// SetWindow changes how long keys are remembered, those among them that are
// held already; not positive means DefaultWindow.
func (m *Memory) SetWindow(window time.Duration) {
	if window <= 0 {
		window = DefaultWindow
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.window, m.width = window, window/spans+1
}

// Len is how many keys are held, among them those that are being handled.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(m.now())
	return m.size + len(m.pending)
}

// reserve judges a key, or keeps a place for it and returns no verdict.
func (m *Memory) reserve(k fingerprint, digest Digest) (Verdict, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, err := m.judge(k, digest)
	if v == 0 && err == nil {
		m.pending[k] = struct{}{}
	}
	return v, err
}

// judge looks a key up, under mu. Neither a verdict nor an error means that it
// is new and that there is a place for it.
func (m *Memory) judge(k fingerprint, digest Digest) (Verdict, error) {
	m.expire(m.now())
	for i := len(m.spans) - 1; i >= 0; i-- {
		switch known, ok := m.spans[i].keys[k]; {
		case !ok:
		case known == digest:
			return Duplicate, nil
		default:
			return Conflict, nil
		}
	}
	if _, ok := m.pending[k]; ok {
		return 0, ErrPending
	}
	if m.size+len(m.pending) >= m.max {
		return 0, ErrFull
	}
	return 0, nil
}

// settle gives the place of a key back, or remembers the key in it.
func (m *Memory) settle(k fingerprint, digest Digest, remember bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pending, k)
	if remember {
		m.remember(k, digest)
	}
}

// remember keeps a new key, under mu.
func (m *Memory) remember(k fingerprint, digest Digest) {
	now := m.now()
	m.expire(now)
	if n := len(m.spans); n == 0 || !now.Before(m.spans[n-1].end) {
		m.spans = append(m.spans, span{end: now.Add(m.width), keys: make(map[fingerprint]Digest)})
	}
	m.spans[len(m.spans)-1].keys[k] = digest
	m.size++
}

// expire drops the spans whose last key is older than the window.
func (m *Memory) expire(now time.Time) {
	n := 0
	for n < len(m.spans) && !now.Before(m.spans[n].end.Add(m.window)) {
		m.size -= len(m.spans[n].keys)
		n++
	}
	if n > 0 {
		m.spans = append([]span(nil), m.spans[n:]...)
	}
}
