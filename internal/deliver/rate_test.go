package deliver

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// A rate bounds what begins in any second to rate and burst, of what is born
// running, of what waited, and over reloads.
func TestARateIsKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		perSecond float64
		burst     int
	}{{50, 0}, {50, 10}, {5, 1}, {0.5, 0}, {2000, 0}} {
		t.Run(fmt.Sprint(c.perSecond, c.burst), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, always(status(200)))
				bound := route(func(r *Route) { r.Rate, r.Burst = c.perSecond, c.burst })
				r.backlog(100, 1)
				d := r.start(bound)
				synctest.Wait()
				r.mustSend(d, 100)
				for range 3 {
					time.Sleep(300 * time.Millisecond)
					old := d
					d = r.start(bound)
					r.end(old)
				}
				most := time.Duration(200/c.perSecond*1.1*float64(time.Second)) + 2*time.Second
				if took := r.untilDelivered(200, 2*most); took > most {
					t.Errorf("took %v for %d of 200, want at most %v", took, r.store.inState(spool.Delivered), most)
				}
				tries := r.allTries()
				limit := int(math.Ceil(c.perSecond)) + burstOf(c.perSecond, c.burst)
				for i := range tries {
					if i+limit < len(tries) && tries[i+limit].at-tries[i].at < time.Second {
						t.Fatalf("%d attempts within %v", limit+1, tries[i+limit].at-tries[i].at)
					}
				}
				r.end(d)
			})
		})
	}
}

// Live events at a pace below the limit do not wait for one another.
func TestBornRunningObeysThePace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, always(status(200)))
		d := r.start(route(func(r *Route) { r.Rate = 10 }))
		synctest.Wait()
		n := 0
		for d.Reserve(app) {
			n++
		}
		if n != 11 {
			t.Errorf("%d may be born running, want what comes in a second", n)
		}
		for range n {
			d.Unreserve(app)
		}
		r.mustSend(d, 100)
		time.Sleep(1050 * time.Millisecond)
		if n := r.nTries(); n < 10 || n > 11 {
			t.Errorf("%d attempts in the first second", n)
		}
		r.untilDelivered(100, time.Minute)
		r.wantFree(100)
		r.end(d)
	})
}
