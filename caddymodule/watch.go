package caddymodule

import (
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/address"
	"github.com/inboxgate/inboxgate/internal/metrics"
)

// watchEvery is how often secret files and the store are looked at. A file
// counts once two looks have seen the same, which takes 2 s at most.
const watchEvery = time.Second

// watch follows what changes without a request, until done is closed.
func (a *App) watch(done <-chan struct{}) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-done:
			return
		}
		metrics.Process().Accepts.Note(time.Now())
		lookOnce.Do(a.warnShared)
		for _, s := range a.sources.all() {
			s.secrets.Refresh(a.log, time.Now())
		}
		if run := a.started(); run != nil {
			a.look(run, time.Now())
			run.Sample(metrics.Process().Minutes)
		}
	}
}

// look looks at the store, and emits an event when it becomes short of room.
func (a *App) look(run *engine, now time.Time) (low bool) {
	limit := a.settings().MaxSize
	s, low := run.Look(now, a.log, limit)
	if low {
		a.emit(EventDiskLow, map[string]any{"refusing": s.Refusing, "used": s.Used, "max_size": limit, "free_disk": s.Free, "floor": s.Floor})
	}
	return low
}

// lookOnce is for the check of shared ports: a port is shared from the start of a
// process or never.
var lookOnce sync.Once

// warnShared warns of a second process on a port of ours, as after an upgrade that
// has left the former one running.
func (a *App) warnShared() {
	for _, port := range address.SharedPorts() {
		a.log.Warn("another process listens on the same port: requests go to either, and each knows only the event ids of its own store; stop one of them", "port", port)
	}
}
