package spool

import (
	"context"
	"time"
)

// Shared is implemented by engines whose storage several processes may have open at
// once. Each open store is a member.
type Shared interface {
	// Members returns the processes that have the storage open, this one among them,
	// and those that vanished lately, in the order of their start.
	Members(ctx context.Context) ([]Member, error)
	// Live returns how many live members serve a route, at least 1, without I/O. What
	// bounds a route over all members is divided by it.
	Live(k RouteKey) int
}

// Member is one process that has a shared storage open.
type Member struct {
	// Number is unique in the life of the storage, and rises with each start.
	Number int64
	// Name and Version are the process's own: usually of its machine and its program.
	Name, Version string
	// Began is when it opened the storage, Seen when it was last heard of, by the
	// storage's clock.
	Began, Seen time.Time
	// Live reports whether it was heard of lately, and Here whether it is this process.
	Live, Here bool
	// Settings are its operator's.
	Settings Settings
	// Serves and Holds are the routes that it serves, and those it holds.
	Serves, Holds []RouteKey
}

// ServedElsewhere returns the routes that live members besides this process serve: none
// where no other process can have the store open.
func ServedElsewhere(ctx context.Context, s Store) (map[RouteKey]bool, error) {
	shared, ok := s.(Shared)
	if !ok {
		return nil, nil
	}
	members, err := shared.Members(ctx)
	if err != nil {
		return nil, err
	}
	served := make(map[RouteKey]bool)
	for _, m := range members {
		for _, k := range m.Serves {
			if m.Live && !m.Here {
				served[k] = true
			}
		}
	}
	return served, nil
}
