package storage

import (
	"errors"

	"github.com/inboxgate/inboxgate/internal/spool/postgres"
)

// Unready returns why no new event can be taken, or nothing.
func (s *Storage) Unready() string {
	switch s := s.Store.Stats(); {
	case errors.Is(s.Unavailable, postgres.ErrNoStandby):
		return postgres.ErrNoStandby.Error()
	case s.Unavailable != nil:
		return "the store does not work"
	case s.ClockUnset:
		return "the machine's clock is not set"
	case s.Refusing:
		return "the store or its disk is full"
	}
	return ""
}
