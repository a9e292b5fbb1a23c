package sqlite

import (
	"context"
	"sync"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// served are the routes that owners of this process serve. Nothing of it is in the file:
// an owner ends with its process.
type served struct {
	// mu guards by. It is never held across I/O.
	mu sync.Mutex
	// by has the names of routes by owner and source.
	by map[spool.Owner]map[string][]spool.RouteName
}

// set notes which routes of a source an owner serves from now on.
func (v *served) set(o spool.Owner, source string, routes []spool.RouteName) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.by == nil {
		v.by = map[spool.Owner]map[string][]spool.RouteName{}
	}
	if v.by[o] == nil {
		v.by[o] = map[string][]spool.RouteName{}
	}
	v.by[o][source] = routes
}

// keys returns the name of each route that is served, as its owner knows it: it may be a
// former name.
func (v *served) keys() (all []spool.RouteKey) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, sources := range v.by {
		for source, routes := range sources {
			for _, r := range routes {
				all = append(all, spool.RouteKey{Source: source, Route: r.Name})
			}
		}
	}
	return all
}

// Leave implements spool.Store.
func (s *Store) Leave(_ context.Context, o spool.Owner) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	s.served.mu.Lock()
	defer s.served.mu.Unlock()
	delete(s.served.by, o)
	return nil
}
