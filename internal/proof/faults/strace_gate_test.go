//go:build linux && amd64

package faults

import (
	"net/http"
	"sync"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// everything is in place of one event.
const everything = ""

// gate is an app that keeps one event waiting and answers all others.
type gate struct {
	mu   sync.Mutex
	key  string
	open chan struct{} // nil: nothing waits
}

// shut has the event wait, or everything, until the returned function is called.
func (g *gate) shut(key string) (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	wait := make(chan struct{})
	g.key, g.open = key, wait
	return sync.OnceFunc(func() { close(wait) })
}

func (g *gate) behave(w http.ResponseWriter, r *http.Request, a *history.Attempt) {
	g.mu.Lock()
	open := g.open
	wait := open != nil && (g.key == everything || a.Key == g.key)
	g.mu.Unlock()
	if wait {
		select {
		case <-open:
		case <-r.Context().Done():
		}
	}
	rig.Answer(http.StatusOK, "OK")(w, r, a)
}
