package dedupe

import (
	"fmt"

	"github.com/dgraph-io/ristretto/v2"
)

const (
	// DefaultIDs is how many ids a gate caches unless told otherwise. With
	// keys of 32 bytes that costs 4.5 MB empty and about 25 MB full, and a
	// burst of new ids up to 20 MB more while ristretto works it off.
	DefaultIDs = 100_000
	// MaxIDs is the most that may be asked for.
	MaxIDs = 100_000_000
)

// Entry is a key that is durable, and the digest it was accepted with.
type Entry struct {
	Key    string
	Digest Digest

	generation uint32 // Of the gate that made it: see Gate.Forget.
}

// Cache remembers entries for speed. It may forget any of them at any time, and
// may answer with the entry of another key: a Gate compares. It must be safe for
// concurrent use, and must not block or panic.
type Cache interface {
	Get(key string) (Entry, bool)
	Set(key string, e Entry)
}

// none is the cache of a gate that has none.
type none struct{}

func (none) Get(string) (Entry, bool) { return Entry{}, false }
func (none) Set(string, Entry)        {}

// recent keeps the ids that are asked for most. It is a guess by design: ristretto
// applies a Set later or not at all, and its 128-bit hashes may collide, which is
// why each entry carries its whole key.
type recent struct {
	c *ristretto.Cache[string, Entry]
}

func newRecent(ids int) (recent, error) {
	if ids > MaxIDs {
		return recent{}, fmt.Errorf("making cache of %d ids: more than %d", ids, MaxIDs)
	}
	c, err := ristretto.NewCache(&ristretto.Config[string, Entry]{
		NumCounters: 10 * int64(ids),
		MaxCost:     int64(ids),
		BufferItems: 64,
		// Costs count ids. Without this flag each would cost 56 more, and the
		// cache would keep a fiftieth of what it was asked to.
		IgnoreInternalCost: true,
	})
	if err != nil {
		return recent{}, fmt.Errorf("making cache of %d ids: %w", ids, err)
	}
	return recent{c}, nil
}

func (r recent) Get(key string) (Entry, bool) { return r.c.Get(key) }
func (r recent) Set(key string, e Entry)      { r.c.Set(key, e, 1) }
func (r recent) close()                       { r.c.Close() }
