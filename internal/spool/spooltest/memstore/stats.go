package memstore

import (
	"crypto/rand"
	"errors"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// errBroken is what Stats reports between a write that failed and the next that
// succeeds.
var errBroken = errors.New("last write failed")

// named gives a new store its name.
func (tx *tx) named() {
	if tx.im.identity == "" || tx.faults[RenamesItself] {
		id := rand.Text()
		tx.put(func(im *image) { im.identity = id })
	}
}

func (s *store) Identity() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.im.identity
}

func (s *store) Stats() spool.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := spool.Stats{
		Used: s.im.size(), Quarantine: s.im.oddSize(), Odd: int64(len(s.im.odd)),
		Duplicates: s.duplicates, ClockUnset: s.clock.Read().Unset(),
	}
	if s.broken {
		st.Unavailable = errBroken
	}
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		st.Unavailable = spool.ErrClosed
	}
	return st
}

// counted counts what a commit has decided.
func (s *store) counted(v spool.Verdict) {
	if v != spool.Duplicate || s.faults[CountsNoCopies] {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.duplicates++
}
