package deliver

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// limiter is an app, or a proxy before it, that takes so many a second and
// refuses what is more.
type limiter struct {
	perSecond, burst float64
	refusal          Answer
	latency          time.Duration

	mu      sync.Mutex
	tokens  float64
	last    time.Time
	took    []time.Time
	refused int
}

func (m *limiter) answer(context.Context, Attempt) Answer {
	time.Sleep(m.latency / 2)
	defer time.Sleep(m.latency / 2)
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.last.IsZero() {
		m.tokens = m.burst
	} else {
		m.tokens = min(m.burst, m.tokens+now.Sub(m.last).Seconds()*m.perSecond)
	}
	m.last = now
	if m.tokens < 1-1e-9 {
		m.refused++
		return m.refusal
	}
	m.tokens--
	m.took = append(m.took, now)
	return status(200)
}

func later(code int, after time.Duration) Answer {
	return Answer{Reach: Answered, Status: code, RetryAfter: after}
}

var quick = Schedule{time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, 5 * time.Second}

func scheduled(s Schedule) func(*Config) { return route(func(r *Route) { r.Schedule = s }) }

// wantFree fails where a delivery used more than the attempt that delivered it.
func (r *rig) wantFree(n int) {
	r.t.Helper()
	bad := 0
	for i := range n {
		if got := r.store.row(int64(i + 1)); got.state != spool.Delivered || got.attempts != 1 {
			bad++
		}
	}
	if bad > 0 {
		r.t.Errorf("%d of %d are not delivered or used attempts; %d dead", bad, n, r.store.inState(spool.Dead))
	}
}

// untilDelivered waits for n deliveries and returns how long that took.
func (r *rig) untilDelivered(n int, most time.Duration) time.Duration {
	began := time.Now()
	for time.Since(began) < most && r.store.inState(spool.Delivered) < n {
		time.Sleep(100 * time.Millisecond)
	}
	return time.Since(began)
}

// An app comes back with 600 waiting and takes 10 a second: nothing dies, no
// attempt is used, and it takes little more than a minute.
func TestABacklogForALimitedApp(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*limiter{
		"429 with Retry-After":    {perSecond: 10, burst: 10, refusal: later(429, time.Second)},
		"503 with Retry-After":    {perSecond: 10, burst: 10, refusal: later(503, time.Second)},
		"429 without, no burst":   {perSecond: 10, burst: 1, refusal: status(429)},
		"503 without, no burst":   {perSecond: 10, burst: 1, refusal: status(503)},
		"503 without, a burst":    {perSecond: 10, burst: 20, refusal: status(503)},
		"429, an app that thinks": {perSecond: 10, burst: 10, latency: 300 * time.Millisecond, refusal: later(429, time.Second)},
		"429, a longer wait":      {perSecond: 10, burst: 10, refusal: later(429, 3*time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, d := startRig(t, always(refused), 600, scheduled(quick))
				time.Sleep(5 * time.Second)
				r.setAnswer(m.answer)
				took := r.untilDelivered(600, 5*time.Minute)
				t.Logf("%v, %d refused", took, m.refused)
				if took > 85*time.Second+5*m.refusal.RetryAfter {
					t.Errorf("took %v", took)
				}
				if m.refused > 200 {
					t.Errorf("%d refused", m.refused)
				}
				r.wantFree(600)
				r.end(d)
			})
		})
	}
}

// With nothing else to tell an event from a pace, an event that is refused
// for ever ends on its schedule.
func TestAnEventAloneThatIsRefusedForEver(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]Answer{
		"429": status(429), "429 with Retry-After": later(429, time.Second), "503 with Retry-After": later(503, time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, d := startRig(t, onlyFirst(a), 1, scheduled(quick))
				time.Sleep(14 * time.Second)
				r.wantState(1, spool.Retrying)
				// Each probe of a held route may be a second late.
				time.Sleep(20 * time.Second)
				if got := r.wantState(1, spool.Dead); got.attempts != 6 || got.reason != ReasonUsedUp {
					t.Errorf("%d attempts, %q", got.attempts, got.reason)
				}
				r.mustSend(d, 1)
				time.Sleep(2 * time.Second)
				r.wantState(2, spool.Delivered)
				r.end(d)
			})
		})
	}
}

// So does one that is refused while all others pass, and it slows them only at
// first.
func TestAnEventRefusedAmongGoodOnes(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]Answer{"429": status(429), "429 with Retry-After": later(429, time.Second), "503 with Retry-After": later(503, time.Second)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, onlyFirst(a))
				d := r.start(scheduled(quick))
				synctest.Wait()
				for range 1200 { // Two minutes, ten a second.
					r.mustSend(d, 1)
					time.Sleep(100 * time.Millisecond)
				}
				if got := r.wantState(1, spool.Dead); got.attempts != 6 || got.ended.Sub(r.began) > time.Minute {
					t.Errorf("dead after %v and %d attempts", got.ended.Sub(r.began), got.attempts)
				}
				time.Sleep(2 * time.Second)
				if n := r.store.inState(spool.Delivered); n != 1199 || r.store.holds(app) != 0 {
					t.Errorf("%d of 1199 good ones delivered, held %d times", n, r.store.holds(app))
				}
				time.Sleep(forgetAfter)
				r.mustSend(d, 1)
				if p := d.Pace(app); p.Limit != 0 && p.Limit < 20 {
					t.Errorf("slowed still: %+v", p)
				}
				time.Sleep(time.Second)
				r.end(d)
			})
		})
	}
}

// Half of the events are refused whatever the pace. The others all pass.
func TestAMixedApp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, func(_ context.Context, a Attempt) Answer {
			if a.Delivery.Lease.Delivery%2 == 0 {
				return status(429)
			}
			return status(200)
		}, 60, scheduled(quick))
		took := r.untilDelivered(30, time.Hour)
		if n := r.store.inState(spool.Delivered); n != 30 || took > 5*time.Minute {
			t.Errorf("%d of 30 good ones delivered after %v", n, took)
		}
		// Good ones that come later have their turn between the bad ones.
		began := time.Now()
		r.mustSend(d, 60)
		if took := r.untilDelivered(60, time.Hour); took > 10*time.Minute {
			t.Errorf("30 more good ones took %v, of which %d delivered", took, r.store.inState(spool.Delivered)-30)
		}
		t.Logf("%v, then %v; %d dead", took, time.Since(began), r.store.inState(spool.Dead))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = d.Drain(ctx)
	})
}

// Random apps with random limits lose nothing, use up nothing, and are served in
// the time that their limit takes.
func TestRandomLimits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := limiter{
			perSecond: math.Exp(rapid.Float64Range(math.Log(0.3), math.Log(300)).Draw(rt, "a second")),
			burst:     float64(rapid.IntRange(1, 20).Draw(rt, "burst")),
			latency:   time.Duration(rapid.IntRange(0, 200).Draw(rt, "latency")) * time.Millisecond,
		}
		m.refusal = rapid.SampledFrom([]Answer{
			status(429), status(503), later(429, time.Second), later(503, time.Second), later(429, 2*time.Second),
		}).Draw(rt, "refusal")
		n := rapid.IntRange(20, 300).Draw(rt, "events")
		reload := rapid.Bool().Draw(rt, "reload")
		synctest.Test(t, func(t *testing.T) {
			r, d := startRig(t, m.answer, 1, scheduled(quick))
			time.Sleep(time.Second)
			r.mustSend(d, n-1)
			if reload {
				time.Sleep(5 * time.Second)
				old := d
				d = r.start(scheduled(quick))
				r.end(old)
			}
			most := 3*time.Minute + time.Duration(4*float64(n)/m.perSecond*float64(time.Second))
			took := r.untilDelivered(n, most)
			if got := r.store.inState(spool.Delivered); got != n {
				t.Errorf("%+v: %d of %d delivered after %v, %d dead", m.describe(), got, n, took, r.store.inState(spool.Dead))
			}
			for i := range n {
				if got := r.store.row(int64(i + 1)); got.attempts > 3 {
					t.Errorf("%+v: delivery %d used %d attempts", m.describe(), i+1, got.attempts)
				}
			}
			r.end(d)
		})
	})
}

func (m *limiter) describe() string {
	return fmt.Sprintf("%.2f/s, burst %v, latency %v, %d after %v", m.perSecond, m.burst, m.latency, m.refusal.Status, m.refusal.RetryAfter)
}
