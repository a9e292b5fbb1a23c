//go:build linux

package shared

import (
	"net/http"
	"sync"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/machines"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// Copies of one id come to all machines at the same moment, and many ids at once: each
// is accepted by one, and every copy is answered 200.
func TestFaultCopiesToAllMachines(t *testing.T) {
	t.Parallel()
	f := machines.New(t, machines.Options{Machines: 3})
	f.Start()
	rounds := rig.Rounds(4, 60)
	for range rounds {
		stormOfCopies(t, f, 200, 3)
	}
	f.Finish([]int{67}, "copies of the same ids to all machines at the same moment", rounds)
}

// stormOfCopies sends n events, each as several copies to each machine, in an order of
// its own for each sender.
func stormOfCopies(t *testing.T, f *machines.Fleet, n, copies int) {
	t.Helper()
	events := make([]history.Event, n)
	for i := range events {
		events[i] = f.Event(event.Types()[f.Random.IntN(4)])
	}
	begin, senders := make(chan struct{}), sync.WaitGroup{}
	for _, m := range f.Live() {
		for range copies {
			mixed := make([]history.Event, n)
			for i, j := range f.Random.Perm(n) {
				mixed[i] = events[j]
			}
			senders.Go(func() {
				<-begin
				for i, a := range m.SendAll(t.Context(), mixed) {
					if a.Status != http.StatusOK {
						f.Log.Fault("%s: a copy was answered %d %v", mixed[i].ID, a.Status, a.Err)
					}
				}
			})
		}
	}
	close(begin)
	senders.Wait()
}
