package deliver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// All that are under way when the app says slower are one decrease.
func TestOneDecreaseForAllInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(context.Context, Attempt) Answer {
			time.Sleep(500 * time.Millisecond)
			return later(429, 2*time.Second)
		})
		w := &witness{}
		d := r.start(func(c *Config) { c.Observer = w })
		synctest.Wait()
		r.mustSend(d, 40)
		time.Sleep(time.Second)
		p := d.Pace(app)
		if r.nTries() != DefaultMaxInFlight || p.Limit != 16 || p.InFlight != 16 || p.Reason != "status 429" {
			t.Errorf("%d attempts, pace %+v; want half of 32", r.nTries(), p)
		}
		if in := time.Until(p.Next); in != 1500*time.Millisecond {
			t.Errorf("next in %v", in)
		}
		if n := r.store.inState(spool.Running); n != 0 {
			t.Errorf("%d leases are kept in a pause", n)
		}
		if w.slower != 32 {
			t.Errorf("%d answers counted", w.slower)
		}
		if d.Reserve(app) {
			t.Error("a route that pauses reserves")
		}
		r.setAnswer(always(status(200)))
		time.Sleep(1400 * time.Millisecond)
		if n := r.nTries(); n != 32 {
			t.Errorf("%d attempts in the pause", n-32)
		}
		r.untilDelivered(40, time.Minute)
		r.wantFree(40)
		r.end(d)
	})
}

// Pauses double while nothing passes, and are bounded; Retry-After is followed up to
// five minutes.
func TestPausesAreBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		a    Answer
		want []time.Duration // gaps between attempts, in s
	}{
		{"without", status(429), seconds(1, 2, 4, 8, 15, 15, 15)},
		{"with", later(429, 20*time.Second), seconds(20, 20, 20)},
		{"with hours", later(429, 5*time.Hour), seconds(300, 300)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, always(c.a))
				r.backlog(50, 1)
				d := r.start(route(func(r *Route) { r.MaxInFlight = 1 }))
				time.Sleep(20 * time.Minute)
				tries := r.allTries()
				for i, want := range c.want {
					if gap := tries[i+1].at - tries[i].at; gap < want || gap > want+100*time.Millisecond {
						t.Errorf("pause %d: %v, want %v", i+1, gap, want)
					}
				}
				if n := r.store.inState(spool.Dead); n != 0 {
					t.Errorf("%d dead", n)
				}
				for n := range int64(50) {
					if got := r.store.row(n + 1); got.attempts != 0 {
						t.Errorf("delivery %d: %d attempts used", got.number, got.attempts)
					}
				}
				r.setAnswer(always(status(200)))
				took := r.untilDelivered(50, time.Hour)
				if most := maxPause + 2*time.Minute; took > most {
					t.Errorf("took %v after the app was well", took)
				}
				r.end(d)
			})
		})
	}
}

// A reload is no way around what the app has said, nor around a rate.
func TestAReloadKeepsThePace(t *testing.T) {
	t.Parallel()
	for name, overlap := range map[string]bool{"both for a while": true, "one after the other": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := limiter{perSecond: 10, burst: 1, refusal: later(429, time.Second)}
				r := newRig(t, m.answer)
				r.backlog(200, 1)
				d := r.start(scheduled(quick))
				time.Sleep(12 * time.Second)
				for range 5 {
					before := d.Pace(app)
					old := d
					if overlap {
						d = r.start(scheduled(quick))
						r.end(old)
					} else {
						r.end(old)
						d = r.start(scheduled(quick))
					}
					n := r.nTries()
					if p := d.Pace(app); before.Limit == 0 || p.Limit < before.Limit/2 || p.Limit > before.Limit*1.5 {
						t.Errorf("pace %+v, was %+v", p, before)
					}
					time.Sleep(time.Second)
					if n := r.nTries() - n; n > 15 {
						t.Errorf("%d attempts in the second after a reload", n)
					}
				}
				r.untilDelivered(200, time.Minute)
				r.wantFree(200)
				r.end(d)
			})
		})
	}
}

// An outage is held as ever, also of an app that was well before.
func TestAnOutageOf503IsHeldStill(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]Answer{"503": status(503), "503 with Retry-After": later(503, time.Second)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, always(status(200)))
				d := r.start(scheduled(quick))
				synctest.Wait()
				for i := range 2000 {
					if i == 100 {
						r.setAnswer(always(a))
					}
					r.mustSend(d, 1)
					time.Sleep(20 * time.Millisecond)
				}
				if r.store.held(app) == nil {
					t.Errorf("not held after 38 s; pace %+v", d.Pace(app))
				}
				time.Sleep(10 * time.Minute)
				if n := r.store.inState(spool.Dead); n != 0 {
					t.Errorf("%d dead", n)
				}
				r.setAnswer(always(status(200)))
				r.untilDelivered(2000, time.Minute)
				r.wantFree(2000)
				r.end(d)
			})
		})
	}
}

func seconds(all ...int) (ds []time.Duration) {
	for _, n := range all {
		ds = append(ds, time.Duration(n)*time.Second)
	}
	return ds
}
