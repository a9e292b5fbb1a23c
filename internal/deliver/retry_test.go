package deliver

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

var table = []time.Duration{
	0, 30 * time.Second, 150 * time.Second, 630 * time.Second, 2550 * time.Second, 9750 * time.Second,
}

func TestPlatformScheduleIsKept(t *testing.T) {
	t.Parallel()
	for _, random := range []float64{0, 0.999} {
		for failures := range len(table) + 1 {
			t.Run(fmt.Sprintf("%d failures, jitter %v", failures, random), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { keepSchedule(t, failures, random) })
			})
		}
	}
}

func keepSchedule(t *testing.T, failures int, random float64) {
	r, d := startRig(t, func(_ context.Context, a Attempt) Answer {
		if a.N <= failures {
			return status(500)
		}
		return status(200)
	}, 1, func(c *Config) { c.Random = func() float64 { return random } })
	time.Sleep(4 * time.Hour)
	r.end(d)
	want := spool.Delivered
	if failures == len(table) {
		want = spool.Dead
	}
	got := r.wantState(1, want)
	if want == spool.Dead && got.reason != ReasonUsedUp {
		t.Errorf("reason %q", got.reason)
	}
	tries := r.triesOf(1)
	if n := min(failures+1, len(table)); len(tries) != n || len(got.log) != n {
		t.Fatalf("%d attempts, %d in the log, want %d", len(tries), len(got.log), n)
	}
	for i, try := range tries {
		late := time.Duration(i) * MaxJitter
		if random == 0 {
			late = 0
		}
		if try.at < table[i] || try.at > table[i]+late || try.n != i+1 {
			t.Errorf("attempt %d had number %d and came after %v, want %v and at most %v more", i+1, try.n, try.at, table[i], late)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status      int
		after, want time.Duration
	}{
		{429, 10 * time.Minute, 10 * time.Minute},
		{503, 10 * time.Minute, 10 * time.Minute},
		{429, time.Second, 30 * time.Second},
		{429, 5 * time.Hour, time.Hour},
		{500, 10 * time.Minute, 30 * time.Second},
	} {
		t.Run(fmt.Sprint(c.status, c.after), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, d := startRig(t, func(_ context.Context, a Attempt) Answer {
					if a.N > 1 {
						return status(204)
					}
					return Answer{Reach: Answered, Status: c.status, RetryAfter: c.after}
				}, 1)
				time.Sleep(6 * time.Hour)
				r.end(d)
				r.wantState(1, spool.Delivered)
				if tries := r.triesOf(1); len(tries) != 2 || tries[1].at != c.want {
					t.Errorf("attempts %v, want the second after %v", tries, c.want)
				}
			})
		})
	}
}

func TestGoneIsFinal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, always(status(http.StatusGone)), 1)
		time.Sleep(time.Hour)
		r.end(d)
		if got := r.wantState(1, spool.Dead); got.reason != ReasonGone || got.attempts != 1 {
			t.Errorf("reason %q after %d attempts", got.reason, got.attempts)
		}
	})
}

func TestPanicsAreFailedAttempts(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]any{"handler panicked": "nil map", errCut.Error(): http.ErrAbortHandler} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, d := startRig(t, func(_ context.Context, a Attempt) Answer {
					if a.N == 1 {
						panic(p)
					}
					return status(200)
				}, 1, route(func(r *Route) { r.MaxInFlight = 1 }))
				time.Sleep(time.Minute)
				r.end(d)
				got := r.wantState(1, spool.Delivered)
				if got.attempts != 2 || got.log[0].Error != name {
					t.Errorf("%d attempts, the first failed with %q", got.attempts, got.log[0].Error)
				}
			})
		})
	}
}

func TestAbortedIsNotBelievedWithoutShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, always(Answer{Reach: Aborted}), 1, route(func(r *Route) { r.Schedule = Schedule{time.Second} }))
		time.Sleep(time.Minute)
		r.end(d)
		if got := r.wantState(1, spool.Dead); got.attempts != 2 {
			t.Errorf("%d attempts", got.attempts)
		}
	})
}

// The store's clock never runs backwards, so it may be ahead of the machine's.
func TestScheduleHoldsUnderAClockAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(_ context.Context, a Attempt) Answer { return status(500) })
		r.store.ahead = 24 * time.Hour
		d := r.start()
		synctest.Wait()
		r.mustSend(d, 1)
		time.Sleep(4 * time.Hour)
		r.end(d)
		r.wantState(1, spool.Dead)
		for i, try := range r.triesOf(1) {
			if late := time.Duration(i) * pollEvery; try.at < table[i] || try.at > table[i]+late {
				t.Errorf("attempt %d came after %v, want %v", i+1, try.at, table[i])
			}
		}
	})
}
