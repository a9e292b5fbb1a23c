//go:build linux

package shared

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/machines"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// gate is an app that answers once it is opened, and counts who waits.
type gate struct {
	open    chan struct{}
	waiting atomic.Int64
}

func (g *gate) behave(w http.ResponseWriter, r *http.Request, a *history.Attempt) {
	g.waiting.Add(1)
	defer g.waiting.Add(-1)
	select {
	case <-g.open:
	case <-r.Context().Done():
	}
	rig.Answer(http.StatusOK, "OK")(w, r, a)
}

// A machine is killed while events wait for the app, attempts of it run, and others come
// in. The others go on at once; what the dead one had leased is taken over when its
// leases have run out, and counts an attempt.
func TestFaultMachineKilled(t *testing.T) {
	t.Parallel()
	g := &gate{open: make(chan struct{})}
	f := machines.New(t, machines.Options{Machines: 3, Routes: []rig.Route{
		{Name: "all", Types: "message.*", Work: 10 * time.Millisecond},
		{Name: "slow", Types: event.TypeMessageFailed, Lines: "max_in_flight 30", Behave: g.behave},
	}})
	f.Start()
	rounds := rig.Rounds(1, 6)
	for round := range rounds {
		stop := f.Background(0)
		f.AwaitAcked(200 * rig.Rounds(1, 5))
		if round == 0 {
			f.Await("attempts run", func() bool { return g.waiting.Load() >= 20 })
		}
		f.Machines[1+round%2].Kill()
		f.AwaitAcked(200 * rig.Rounds(1, 5))
		stop()
		if round == 0 {
			close(g.open)
		}
		f.AwaitAll()
		f.Start()
	}
	f.Finish([]int{71}, "kill -9 of one of three machines, with a backlog and attempts running", rounds)
}
