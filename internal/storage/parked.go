package storage

import (
	"context"
	"log/slog"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// parkedAfter is how long a shared store is given before what waits there is called
// parked: by then a member that vanished is known to be gone, and one that starts, as
// each does in a rolling start, has told what it serves.
const parkedAfter = time.Minute

// WarnParked warns of deliveries whose route no live member serves: at once where this
// process alone has the store, else a while later, unless done is closed before.
// configured are the routes of this process.
func WarnParked(ctx context.Context, store spool.Store, configured map[spool.RouteKey]bool, log *slog.Logger, done <-chan struct{}) {
	if _, shared := store.(spool.Shared); !shared {
		reportParked(ctx, store, log, func(s spool.RouteState) bool { return !configured[s.Key] })
		return
	}
	go func() {
		select {
		case <-time.After(parkedAfter):
		case <-done:
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		reportParked(ctx, store, log, func(s spool.RouteState) bool { return !configured[s.Key] && s.Served == 0 })
	}()
}

// reportParked logs what waits for routes that are parked.
func reportParked(ctx context.Context, store spool.Store, log *slog.Logger, parked func(spool.RouteState) bool) {
	states, err := store.Routes(ctx)
	if err != nil {
		log.Warn("listing routes", "error", err)
		return
	}
	for _, s := range states {
		if n := s.Waiting + s.Running; n > 0 && parked(s) {
			log.Warn("deliveries are parked: their route is not configured; name the route again, or let another take them over with `was`",
				"source", s.Key.Source, "route", s.Key.Route, "deliveries", n)
		}
	}
}
