package storage

import (
	"context"
	"log/slog"
	"time"

	"github.com/inboxgate/inboxgate/internal/minutes"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// Look looks at the store, whose size is max bytes at most, and logs once when it, or
// its disk, becomes short of room, and when the machine's clock is wrong. low reports
// whether it has become short of room just now: it refuses, or is near to. There must
// be clearly more room before that is reported again.
//
// It is to be called about once a second, by one goroutine.
func (s *Storage) Look(now time.Time, log *slog.Logger, max int64) (stats spool.Stats, low bool) {
	stats = s.Store.Stats()
	s.lookAtClock(log, stats.ClockOff)
	s.growth.Add(now, stats.Used)
	room := []any{"used", stats.Used, "max_size", max, "free_disk", stats.Free, "floor", stats.Floor}
	switch {
	case short(stats, max, 10):
		if low = !s.low.Swap(true); low {
			log.Warn("store is short of room", append([]any{"refusing", stats.Refusing}, room...)...)
		}
	case !short(stats, max, 8) && s.low.Swap(false):
		log.Info("store has room again", room...)
	}
	return stats, low
}

const (
	// sampleEvery is how often it is noted how much waits in the routes.
	sampleEvery = 20 * time.Second
	// sampleWithin bounds the asking: the caller has other things to look at.
	sampleWithin = time.Second
)

// Sample notes how much waits in the routes that this process delivers to, three times a
// minute. It is to be called about once a second.
func (s *Storage) Sample(hour *minutes.Hour) {
	if s.Store.Stats().Unavailable != nil || !hour.Due(sampleEvery) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sampleWithin)
	defer cancel()
	states, err := s.Store.Routes(ctx)
	if err != nil {
		return // The store reports it.
	}
	for _, state := range states {
		if k := state.Key; hour.Has(k.Source, k.Route) {
			hour.Route(k.Source, k.Route).Waits(state.Waiting)
		}
	}
}

// Full returns how many seconds the room, in bytes, lasts at the pace of the last
// minutes.
func (s *Storage) Full(room float64) float64 { return s.growth.Full(room) }

// lookAtClock logs once when the machine's clock is wrong, and when it is right again.
func (s *Storage) lookAtClock(log *slog.Logger, off time.Duration) {
	switch {
	case off == 0:
		if s.off.Swap(false) {
			log.Info("the machine's clock is right again")
		}
	case s.off.Swap(true):
	case off > 0:
		log.Warn("the machine's clock is ahead of what the platform signs: events go on being taken; set the clock right",
			"ahead", off.Round(time.Second).String())
	default:
		log.Warn("the machine's clock is behind: events go on being taken where the store knows the time; set the clock right",
			"behind", (-off).Round(time.Second).String())
	}
}

// short reports whether less than 1/part of limit is free, or the disk has less than
// 5/part of the floor to spare above it.
func short(s spool.Stats, limit, part int64) bool {
	return s.Refusing || s.Used > limit-limit/part ||
		s.Free > 0 && s.Free < s.Floor+s.Floor*5/uint64(part)
}
