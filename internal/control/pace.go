package control

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// crowded is how much may wait in a route before a replay holds back: live
// events queue behind it, so it must stay short.
const crowded = 32

// pacer keeps a replay from getting in the way of live events.
type pacer struct {
	a     *api
	limit *rate.Limiter
	seen  time.Time
	full  map[spool.RouteKey]bool
}

// wait returns when the next event may go: in its turn, and when few enough
// wait in the routes it goes to. A route that is held does not keep it: its
// replays wait there as all else does.
func (p *pacer) wait(ctx context.Context, source string, routes []string) error {
	if err := p.limit.Wait(ctx); err != nil {
		return err
	}
	for {
		if time.Since(p.seen) > tellEvery/5 {
			if err := p.look(ctx); err != nil {
				return err
			}
		}
		busy := false
		for _, route := range routes {
			busy = busy || p.full[spool.RouteKey{Source: source, Route: route}]
		}
		if !busy {
			return nil
		}
		timer := time.NewTimer(tellEvery / 5)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

func (p *pacer) look(ctx context.Context) error {
	states, err := p.a.Store.Routes(ctx)
	if err != nil {
		return err
	}
	p.seen, p.full = time.Now(), make(map[spool.RouteKey]bool)
	configured := p.a.Configured()
	for _, s := range states {
		p.full[s.Key] = s.Hold == nil && configured[s.Key] && s.Waiting > crowded
	}
	return nil
}
