package dedupe_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/inboxgate/inboxgate/dedupe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestJoinersAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = 3
		g, end := open(t, dedupe.GateOptions{Joiners: limit})
		defer end()
		l, release, answers := newLedger(), make(chan struct{}), make(chan answer, 2*limit)
		accept := l.accept("a", body(1), blockOn(release, nil))
		for range 1 + limit {
			ask(context.Background(), g, "a", body(1), accept, answers)
		}
		settle()
		wantError(t, "one too many", do(g, "a", body(1), accept), dedupe.ErrBusy)
		wantVerdict(t, "another key", do(g, "b", body(1), l.accept("b", body(1), nil)), dedupe.Accepted)

		close(release)
		tally(answers, 1+limit)
	})
}

func TestWhoGivesUpMakesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = 3
		g, end := open(t, dedupe.GateOptions{Joiners: limit})
		defer end()
		l, release := newLedger(), make(chan struct{})
		stay, leave := make(chan answer, 2), make(chan answer, limit)
		accept := l.accept("a", body(1), blockOn(release, nil))
		ask(context.Background(), g, "a", body(1), accept, stay)
		settle()
		ctx, cancel := context.WithCancel(context.Background())
		for range limit {
			ask(ctx, g, "a", body(1), accept, leave)
		}
		settle()
		cancel()
		tally(leave, limit)
		ask(context.Background(), g, "a", body(1), accept, stay)
		settle()
		close(release)
		if counts := tally(stay, 2); counts[dedupe.Accepted] != 1 || counts[dedupe.Duplicate] != 1 {
			t.Errorf("answers %v, want 1 accepted and 1 duplicate", counts)
		}
	})
}

func TestGoexitFreesTheKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, end := open(t, dedupe.GateOptions{})
		defer end()
		a := do(g, "a", body(1), func(context.Context) (dedupe.Verdict, error) {
			runtime.Goexit()
			return dedupe.Accepted, nil
		})
		wantError(t, "goroutine that ended", a, dedupe.ErrPanic)
		l := newLedger()
		wantVerdict(t, "next copy", do(g, "a", body(1), l.accept("a", body(1), nil)), dedupe.Accepted)
	})
}

func TestAcceptSeesTheCallersValues(t *testing.T) {
	t.Parallel()
	g, end := open(t, dedupe.GateOptions{})
	defer end()
	type name struct{}
	ctx := context.WithValue(context.Background(), name{}, "here")
	v, err := g.Do(ctx, "a", body(1), func(ctx context.Context) (dedupe.Verdict, error) {
		if ctx.Value(name{}) != "here" {
			return 0, errors.New("value is missing")
		}
		return dedupe.Accepted, nil
	})
	wantVerdict(t, "first", answer{v, err}, dedupe.Accepted)
}

func TestCloseWaitsForAccepts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, _ := open(t, dedupe.GateOptions{})
		l, release, answers := newLedger(), make(chan struct{}), make(chan answer, 2)
		ctx, cancel := context.WithCancel(context.Background())
		ask(ctx, g, "a", body(1), l.accept("a", body(1), blockOn(release, nil)), answers)
		settle()
		cancel()
		wantError(t, "caller that went", await(answers), dedupe.ErrWait)
		var closed atomic.Int32
		for range 2 {
			go func() {
				g.Close()
				closed.Add(1)
			}()
		}
		settle()
		if closed.Load() != 0 {
			t.Error("closed while accept was running")
		}
		wantError(t, "call after Close", do(g, "b", body(1), l.accept("b", body(1), nil)), dedupe.ErrClosed)
		close(release)
		settle()
		if closed.Load() != 2 {
			t.Error("Close did not return")
		}
		g.Close()
	})
}

// ristretto panics when it is closed while in use.
func TestCloseDuringCalls(t *testing.T) {
	t.Parallel()
	for range 30 {
		g, _ := open(t, dedupe.GateOptions{IDs: 100})
		l := newLedger()
		var calls sync.WaitGroup
		started := make(chan struct{}, 4)
		for caller := range 4 {
			calls.Go(func() {
				for n := 0; ; n++ {
					key := strings.Repeat("k", 1+(n+caller)%50)
					_, err := g.Do(context.Background(), key, body(1), l.accept(key, body(1), nil))
					if n == 20 {
						started <- struct{}{}
					}
					if errors.Is(err, dedupe.ErrClosed) && n > 20 {
						return
					}
					if err != nil && !errors.Is(err, dedupe.ErrClosed) {
						t.Error(err)
						return
					}
				}
			})
		}
		<-started
		g.Close()
		calls.Wait()
	}
}

func TestImpossibleCache(t *testing.T) {
	t.Parallel()
	if _, err := dedupe.NewGate[dedupe.Verdict](dedupe.GateOptions{IDs: dedupe.MaxIDs + 1}); err == nil {
		t.Error("a cache of more than MaxIDs was made")
	}
}

func TestVerdictNames(t *testing.T) {
	t.Parallel()
	for v, want := range []string{"unknown", "accepted", "duplicate", "conflict", "unknown"} {
		if got := dedupe.Verdict(v).String(); got != want {
			t.Errorf("Verdict(%d) = %q, want %q", v, got, want)
		}
	}
}

// After Forget no call is answered by what was said before, not even by a judge that
// had begun by then and ended later.
func TestForget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, end := open(t, dedupe.GateOptions{Cache: &perfect{m: map[string]dedupe.Entry{}}})
		defer end()
		runs, release := atomic.Int32{}, make(chan struct{})
		judge := func(wait <-chan struct{}) func(context.Context) (dedupe.Verdict, error) {
			return func(context.Context) (dedupe.Verdict, error) {
				runs.Add(1)
				if wait != nil {
					<-wait
				}
				return dedupe.Accepted, nil
			}
		}
		ran := func(what string, want int32) {
			t.Helper()
			if got := runs.Swap(0); got != want {
				t.Errorf("%s: %d judges ran, want %d", what, got, want)
			}
		}
		do(g, "a", body(1), judge(nil))
		do(g, "a", body(1), judge(nil))
		ran("a copy", 1)
		slow := make(chan answer, 1)
		ask(context.Background(), g, "b", body(1), judge(release), slow)
		settle()
		g.Forget()
		close(release)
		wantVerdict(t, "the call that waited", await(slow), dedupe.Accepted)
		settle()
		ran("it", 1)
		do(g, "a", body(1), judge(nil))
		ran("known before", 1)
		do(g, "b", body(1), judge(nil))
		ran("said by a judge of before", 1)
		do(g, "a", body(1), judge(nil))
		do(g, "b", body(1), judge(nil))
		ran("known again", 0)
	})
}
