package control

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// servedFor is how long what other members serve is believed: a replay asks for each
// event, and asking the store counts every route.
const servedFor = time.Second

// elsewhere are the routes that some live member of a shared store serves.
type elsewhere struct {
	mu     sync.Mutex // Held over a call of the store: others wait for the same answer.
	read   time.Time
	routes []spool.RouteKey
}

// served returns the routes that are configured here, and those that other members of
// the store serve: what waits for any other is parked. No set at all means that the
// configuration is not known.
func (a *api) served(ctx context.Context) map[spool.RouteKey]bool {
	configured := a.Configured()
	if _, shared := a.Store.(spool.Shared); !shared || configured == nil {
		return configured
	}
	all := maps.Clone(configured)
	a.others.mu.Lock()
	defer a.others.mu.Unlock()
	if time.Since(a.others.read) > servedFor {
		if states, err := a.Store.Routes(ctx); err == nil {
			a.others.read, a.others.routes = time.Now(), nil
			for _, s := range states {
				if s.Served > 0 {
					a.others.routes = append(a.others.routes, s.Key)
				}
			}
		}
	}
	for _, k := range a.others.routes {
		all[k] = true
	}
	return all
}
