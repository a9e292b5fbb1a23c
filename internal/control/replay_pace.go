package control

import (
	"context"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// crowded is how many deliveries may wait in a route before a replay holds back: live
// events queue behind them. A fast replay may add a twentieth of a second's worth,
// because the route could be empty again before the replay looks.
const crowded = 32

func crowdedAt(perSecond float64) int64 { return max(crowded, int64(perSecond/20)) }

// These bound how long a replay waits before it looks again at a crowded route. The
// pause doubles from the first to the last while no room is found.
const (
	firstPause = 2 * time.Millisecond
	lastPause  = 50 * time.Millisecond
)

// pacer slows a replay down so that it does not delay live events. Several goroutines
// may wait at the same time.
type pacer struct {
	a     *api
	limit *rate.Limiter // events a second
	most  int64         // deliveries that may wait in a route
	pause func(context.Context, time.Duration) error

	mu sync.Mutex // guards room
	// room is how many more deliveries may go to each route before the next look, nil
	// before the first.
	room map[spool.RouteKey]int64
}

func newPacer(a *api, perSecond float64) *pacer {
	// A burst of a hundredth of a second, because a timer sleeps longer than it
	// is asked to.
	burst := max(1, int(perSecond/100))
	return &pacer{a: a, limit: rate.NewLimiter(rate.Limit(perSecond), burst), most: crowdedAt(perSecond), pause: pause}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait returns when the next event may be sent again: at the rate asked for, and when
// few enough deliveries wait in its routes. A held route does not delay it: the
// delivery waits there as all others do.
func (p *pacer) wait(ctx context.Context, source string, routes []string) error {
	if err := p.limit.Wait(ctx); err != nil {
		return err
	}
	for next := firstPause; ; next = min(next*2, lastPause) {
		ok, err := p.take(ctx, source, routes)
		if ok || err != nil {
			return err
		}
		if err := p.pause(ctx, next); err != nil {
			return err
		}
	}
}

// take takes room in each of the routes, or in none, and reports whether it did. It
// asks the store where a route has none left.
func (p *pacer) take(ctx context.Context, source string, routes []string) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.has(source, routes) {
		if err := p.readRoom(ctx); err != nil {
			return false, err
		}
		if !p.has(source, routes) {
			return false, nil
		}
	}
	for _, route := range routes {
		p.room[spool.RouteKey{Source: source, Route: route}]--
	}
	return true, nil
}

// has reports whether each of the routes has room. The caller holds mu.
func (p *pacer) has(source string, routes []string) bool {
	if p.room == nil {
		return false
	}
	for _, route := range routes {
		if left, known := p.room[spool.RouteKey{Source: source, Route: route}]; known && left <= 0 {
			return false
		}
	}
	return true
}

// readRoom sets room by what waits in the store. The caller holds mu.
func (p *pacer) readRoom(ctx context.Context) error {
	states, err := p.a.Store.Routes(ctx)
	if err != nil {
		return err
	}
	p.room = make(map[spool.RouteKey]int64)
	configured := p.a.Configured()
	for _, s := range states {
		left := p.most + 1 - s.Waiting
		if s.Hold != nil || !configured[s.Key] && s.Served == 0 {
			left = math.MaxInt64
		}
		p.room[s.Key] = left
	}
	return nil
}
