package dedupe

import (
	"context"
	"crypto/sha256"
	"time"
)

// New makes a Memory with the defaults: it remembers a key for DefaultWindow,
// and up to DefaultMax of them. NewMemory makes one of another size.
func New() *Memory { return NewMemory(0, 0, nil) }

// Seen reports whether key was seen before, and remembers it if not. Of copies
// that come at the same time one is told false.
//
// It remembers before anything is done about the key: where that can fail and
// is to be tried again, Once is the right call. The error is ErrFull, when there
// is no place for a new key, or ErrPending, while Once handles that key.
func (m *Memory) Seen(key string) (bool, error) {
	k := fingerprint(sha256.Sum256([]byte(key)))
	m.mu.Lock()
	defer m.mu.Unlock()
	v, err := m.judge(k, Digest{})
	if v != 0 || err != nil {
		return v != 0, err
	}
	m.remember(k, Digest{})
	return false, nil
}

// Once runs handle if key is new, and remembers the key if handle returned nil.
// first reports that this call did so; else the key was known, and same reports
// whether it came with this digest, normally the SHA-256 of the body.
//
// Copies that come while handle runs wait for its outcome. When it fails, the
// first of those that wait runs its own handle in turn; one that has seen two
// runs fail returns the error of the last. So a caller that got an error can try
// again, and has to, or the work is not done.
//
// handle runs in a goroutine of its own, because the run belongs to the key: its
// context has ctx's values but neither its end nor its deadline, so it bounds
// its own time. When ctx ends, Once returns ErrWait and handle goes on. A panic
// of handle is ErrPanic, a Memory without a place ErrFull. After any error the
// key is remembered only if a handle that goes on returns nil later.
//
// Its types are plain ones, so that it can stand behind an interface of another
// package, such as event.Deduper.
func (m *Memory) Once(ctx context.Context, key string, digest Digest, handle func(context.Context) error) (first, same bool, err error) {
	v, by, err := m.copies.Do(ctx, key, digest, func(ctx context.Context) (v Verdict, durable bool, err error) {
		v, err = m.Accept(ctx, key, digest, handle)
		return v, v != Conflict, err
	})
	return v == Accepted && by == Own, v == Accepted || v == Duplicate, err
}

// Window is how long a key is remembered at least.
func (m *Memory) Window() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.window
}
