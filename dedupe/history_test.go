package dedupe_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/inboxgate/inboxgate/dedupe"
)

// fault is what goes wrong in one run of accept.
type fault int

const (
	sound fault = iota
	failsBefore
	failsAfter // the error of a write that landed
	panics
)

// step is one call of a history: when it comes, how long its accept takes, and
// how long the caller waits.
type step struct {
	at, takes, waits time.Duration
	key, body        int
	fault            fault
}

func (s step) keyed() keyed { return keyed{fmt.Sprint("key", s.key), body(s.body)} }

// record is what a call saw.
type record struct {
	step       step
	start, end time.Time
	answer     answer
	ran        dedupe.Verdict // of its own run, if that had one
	runEnd     time.Time      // zero if its accept never ran to its end
	runErr     bool
}

// stepError names the step whose accept failed.
type stepError struct{ n int }

func (e stepError) Error() string { return fmt.Sprint("step ", e.n, " failed") }

// perform plays one step and fills its record.
func perform(ctx context.Context, g gate, l *ledger, mu *sync.Mutex, n int, r *record, pause func(time.Duration)) {
	k := r.step.keyed()
	r.start = time.Now()
	v, err := g.Do(ctx, k.key, k.digest, func(context.Context) (v dedupe.Verdict, err error) {
		l.begin(k.key)
		defer l.end(k.key)
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			r.ran, r.runEnd, r.runErr = v, time.Now(), v == 0
		}()
		pause(r.step.takes)
		switch r.step.fault {
		case failsBefore:
			return 0, stepError{n}
		case failsAfter:
			l.write(k.key, k.digest)
			return 0, stepError{n}
		case panics:
			panic(n)
		}
		return l.write(k.key, k.digest), nil
	})
	mu.Lock()
	defer mu.Unlock()
	r.answer, r.end = answer{v, err}, time.Now()
}

// violations judges a history by what the ledger holds. slack is how long a run
// may have ended before a call came that still saw its outcome.
func violations(l *ledger, records []record, slack time.Duration) (bad []string) {
	accepted := map[string]int{}
	complain := func(i int, format string, args ...any) {
		bad = append(bad, fmt.Sprintf("step %d %+v: ", i, records[i])+fmt.Sprintf(format, args...))
	}
	for i, r := range records {
		k := r.step.keyed()
		w, known := l.known[k.key]
		stored := known && !w.at.After(r.end)
		switch {
		case r.answer.err != nil:
			if why := unfounded(i, records, slack); why != "" {
				complain(i, "%s", why)
			}
		case r.answer.verdict == dedupe.Accepted:
			accepted[k.key]++
			if !stored || w.digest != k.digest || r.ran != dedupe.Accepted {
				complain(i, "accepted, but not by its own accept")
			}
		case r.answer.verdict == dedupe.Duplicate && (!stored || w.digest != k.digest):
			complain(i, "duplicate of nothing that is stored")
		case r.answer.verdict == dedupe.Conflict && (!stored || w.digest == k.digest || !l.conflicts[k]):
			complain(i, "conflict with nothing, or one the store never saw")
		}
		if r.answer.err == nil && !r.runEnd.IsZero() && r.ran != 0 && r.answer.verdict != r.ran {
			complain(i, "its own accept said %v", r.ran)
		}
	}
	for key, n := range accepted {
		if n > 1 {
			bad = append(bad, fmt.Sprintf("%s was accepted %d times", key, n))
		}
	}
	if l.overlaps > 0 {
		bad = append(bad, fmt.Sprintf("%d runs beside another of their key", l.overlaps))
	}
	return bad
}

// unfounded says why the error of call i had no reason, or nothing.
func unfounded(i int, records []record, slack time.Duration) string {
	r := records[i]
	if errors.Is(r.answer.err, dedupe.ErrWait) {
		if r.step.waits == 0 {
			return "gave up without a deadline"
		}
		if d := r.end.Sub(r.start); d < r.step.waits {
			return fmt.Sprintf("gave up after %v", d)
		}
		return ""
	}
	if r.runErr { // its own run failed; which error that was is told below
		var e stepError
		if r.step.fault == panics && !errors.Is(r.answer.err, dedupe.ErrPanic) {
			return "hid its own panic"
		}
		if r.step.fault != panics && (!errors.As(r.answer.err, &e) || e.n != i) {
			return "hid its own error"
		}
		return ""
	}
	seen := 0
	for _, o := range records {
		if o.step.keyed() == r.step.keyed() && o.runErr && !o.runEnd.Before(r.start.Add(-slack)) && !o.runEnd.After(r.end) {
			seen++
		}
	}
	if seen < 2 {
		return fmt.Sprintf("an error after %d failed runs of others", seen)
	}
	return ""
}

// play runs a history in a bubble, with exact times.
func play(t *testing.T, make func(testing.TB) (realGate, func()), steps []step) (bad []string) {
	synctest.Test(t, func(t *testing.T) {
		g, end := make(t)
		defer end()
		l, records := newLedger(), []record{}
		for _, s := range steps {
			records = append(records, record{step: s})
		}
		var mu sync.Mutex
		var calls sync.WaitGroup
		for i := range records {
			calls.Go(func() {
				time.Sleep(steps[i].at)
				ctx := context.Background()
				if w := steps[i].waits; w > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, w)
					defer cancel()
				}
				perform(ctx, g, l, &mu, i, &records[i], time.Sleep)
			})
		}
		calls.Wait()
		g.Close() // accepts that outlived their callers
		bad = violations(l, records, 0)
	})
	return bad
}

// One history means the same under every cache: what may be answered follows
// from the store alone.
func TestHistories(t *testing.T) {
	t.Parallel()
	ms := func(lo, hi int) *rapid.Generator[time.Duration] {
		return rapid.Map(rapid.IntRange(lo, hi), func(n int) time.Duration { return time.Duration(n) * time.Millisecond })
	}
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			at:    ms(0, 30).Draw(t, "at"),
			takes: ms(0, 8).Draw(t, "takes"),
			waits: rapid.OneOf(rapid.Just(time.Duration(0)), ms(1, 15)).Draw(t, "waits"),
			key:   rapid.IntRange(0, 2).Draw(t, "key"),
			body:  rapid.IntRange(0, 2).Draw(t, "body"),
			fault: rapid.SampledFrom([]fault{sound, sound, sound, failsBefore, failsAfter, panics}).Draw(t, "fault"),
		}
	}), 1, 40)
	for _, c := range caches {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				if bad := play(t, c.make, steps.Draw(rt, "steps")); len(bad) > 0 {
					rt.Fatalf("%d violations, the first: %s", len(bad), bad[0])
				}
			})
		})
	}
}

// The same on real threads, for the race detector.
func TestStress(t *testing.T) {
	t.Parallel()
	const callers, each = 8, 150
	for _, c := range caches {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g, end := c.make(t)
			defer end()
			l, records := newLedger(), make([]record, callers*each)
			var mu sync.Mutex
			var calls sync.WaitGroup
			for caller := range callers {
				calls.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(caller), 1))
					for n := caller * each; n < (caller+1)*each; n++ {
						records[n].step = step{key: n % each / 10, body: rng.IntN(2), fault: fault(rng.IntN(12))}
						ctx, cancel := context.WithCancel(context.Background())
						if rng.IntN(8) == 0 {
							records[n].step.waits = 1 // it may go away at any time
							go cancel()
						}
						perform(ctx, g, l, &mu, n, &records[n], func(time.Duration) { runtime.Gosched() })
						cancel()
					}
				})
			}
			calls.Wait()
			g.Close()
			for _, bad := range violations(l, records, time.Minute) {
				t.Error(bad)
			}
		})
	}
}
