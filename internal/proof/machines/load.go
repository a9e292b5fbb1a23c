//go:build linux

package machines

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// Background begins to send fresh events of all types to the machines in turn, at
// Options.Rate, until the returned function is called, which waits for the last answer.
// Every tenth goes to two machines at once. A machine whose process is gone is asked all
// the same, as behind a balancer that has not noticed yet. At most clients wait for an
// answer at once; 0 means 256.
func (f *Fleet) Background(clients int) (stop func()) {
	if clients == 0 {
		clients = 256
	}
	closing, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		f.load(closing, clients)
	}()
	stop = sync.OnceFunc(func() {
		close(closing)
		<-ended
	})
	f.t.Cleanup(stop)
	return stop
}

func (f *Fleet) load(stop <-chan struct{}, clients int) {
	var sends sync.WaitGroup
	defer sends.Wait()
	free := make(chan struct{}, clients)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	types, rate := event.Types(), f.o.Rate
	if rate == 0 {
		rate = 300
	}
	start := time.Now()
	for n := 0; ; {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for due := int(time.Since(start) * time.Duration(rate) / time.Second); n < due; n++ {
			select {
			case free <- struct{}{}:
			case <-stop:
				return
			}
			typ := types[n%len(types)]
			e, err := f.Fresh(typ)
			if err != nil {
				f.Log.Fault("%v", err)
				return
			}
			takers := f.takers(typ)
			to := takers[n%len(takers)]
			sends.Go(func() {
				to.Send(context.Background(), e)
				<-free
			})
			if n%10 == 0 {
				to := takers[(n+1)%len(takers)]
				sends.Go(func() { to.Send(context.Background(), e) })
			}
		}
	}
}

// takers are the machines that get events of a type.
func (f *Fleet) takers(typ string) (all []*rig.Rig) {
	for n, m := range f.Machines {
		if f.o.Takes == nil || f.o.Takes(n, typ) {
			all = append(all, m)
		}
	}
	return all
}

// Again sends events to machines that have a process, by chance, each until it has its
// 200, as the platform does.
func (f *Fleet) Again(events []history.Event) {
	f.t.Helper()
	live := f.Live()
	to := make([]*rig.Rig, len(events))
	for i := range to {
		to[i] = live[f.Random.IntN(len(live))]
	}
	ctx, cancel := context.WithTimeout(context.Background(), proctest.Patience)
	defer cancel()
	next := make(chan int)
	var clients sync.WaitGroup
	for range min(32, len(events)) {
		clients.Go(func() {
			for i := range next {
				if a := persist(ctx, to[i], events[i]); a.Status != http.StatusOK {
					f.Log.Fault("%s, sent again and again to life %d: %d %v", events[i].ID, a.Life, a.Status, a.Err)
				}
			}
		})
	}
	for i := range events {
		next <- i
	}
	close(next)
	clients.Wait()
}

// persist sends an event until it has a 200.
func persist(ctx context.Context, m *rig.Rig, e history.Event) (a history.Answer) {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		if a = m.Send(ctx, e); a.Status == http.StatusOK || ctx.Err() != nil {
			return a
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return a
		}
	}
}

// Unanswered are the events without a 200, Acked those with one.
func (f *Fleet) Unanswered() []history.Event {
	return f.Log.Choose(func(e history.Sent) bool { return e.AckedIn == 0 && !e.Forged })
}

// Acknowledged are the events with a 200.
func (f *Fleet) Acknowledged() []history.Event {
	return f.Log.Choose(func(e history.Sent) bool { return e.AckedIn > 0 && !e.Forged })
}
