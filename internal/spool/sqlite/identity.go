package sqlite

import (
	"math/rand/v2"
	"strconv"
)

// Identity implements spool.Named.
func (s *Store) Identity() string { return strconv.FormatInt(s.identity.Load(), 36) }

// giveIdentity names a store that has no name yet.
func (w *writer) giveIdentity() error {
	if w.s.identity.Load() != 0 {
		return nil
	}
	id := rand.Int64N(1<<62) + 1
	if err := w.setMeta("identity", id); err != nil {
		return err
	}
	w.s.identity.Store(id)
	return nil
}
