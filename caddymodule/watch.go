package caddymodule

import (
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/address"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// watchEvery is how often secret files and the store are looked at. A file
// counts once two looks have seen the same, which takes 2 s at most.
const watchEvery = time.Second

// watch looks, while the app runs, at what changes without a request.
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
			s.refreshSecrets(a.log, time.Now())
		}
		if run := a.started(); run != nil {
			a.watchStore(run)
		}
	}
}

// lookOnce: a port is shared from the start of a process or never.
var lookOnce sync.Once

// warnShared warns of a second process on a port of ours, as after an upgrade that
// has left the former one running.
func (a *App) warnShared() {
	for _, port := range address.SharedPorts() {
		a.log.Warn("another process listens on the same port: requests go to either, and each knows only the event ids of its own store; stop one of them", "port", port)
	}
}

// watchStore tells once when the store, or its disk, becomes short of room: when
// it refuses, and when it is near to. There must be clearly more room before it
// tells again.
func (a *App) watchStore(run *running) {
	s := run.store.Stats()
	a.watchClock(run.storage, s)
	run.growth.Add(time.Now(), s.Used)
	limit := a.settings().MaxSize
	switch {
	case short(s, limit, 10):
		if run.low.Swap(true) {
			return
		}
		a.log.Warn("store is short of room", "refusing", s.Refusing, "used", s.Used, "max_size", limit, "free_disk", s.Free, "floor", s.Floor)
		a.emit(EventDiskLow, map[string]any{"refusing": s.Refusing, "used": s.Used, "max_size": limit, "free_disk": s.Free, "floor": s.Floor})
	case !short(s, limit, 8) && run.low.Swap(false):
		a.log.Info("store has room again", "used", s.Used, "max_size", limit, "free_disk", s.Free, "floor", s.Floor)
	}
}

// watchClock reports once when the machine's clock is wrong, and when it is right
// again.
func (a *App) watchClock(st *storage, s spool.Stats) {
	switch off := s.ClockOff; {
	case off == 0:
		if st.off.Swap(false) {
			a.log.Info("the machine's clock is right again")
		}
	case st.off.Swap(true):
	case off > 0:
		a.log.Warn("the machine's clock is ahead of what the platform signs: events go on being taken; set the clock right",
			"ahead", off.Round(time.Second).String())
	default:
		a.log.Warn("the machine's clock is behind: events go on being taken where the store knows the time; set the clock right",
			"behind", (-off).Round(time.Second).String())
	}
}

// short: less than one part of limit is left, or of the disk little more than
// the floor.
func short(s spool.Stats, limit, part int64) bool {
	return s.Refusing || s.Used > limit-limit/part ||
		s.Free > 0 && s.Free < s.Floor+s.Floor*5/uint64(part)
}
