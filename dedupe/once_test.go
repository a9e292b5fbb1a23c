package dedupe_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/dedupe"
)

// turn is what Once returned.
type turn struct {
	first, same bool
	err         error
}

func once(ctx context.Context, m *dedupe.Memory, key string, d dedupe.Digest, handle func(context.Context) error) turn {
	first, same, err := m.Once(ctx, key, d, handle)
	return turn{first, same, err}
}

func wantTurn(t *testing.T, what string, got, want turn) {
	t.Helper()
	if got.first != want.first || got.same != want.same || !errors.Is(got.err, want.err) || want.err == nil && got.err != nil {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

var (
	firstTurn = turn{first: true, same: true}
	copyTurn  = turn{same: true}
)

// The first thing that one writes with this package is exact: a copy that comes
// at once is known, whichever key it is and however many came before.
func TestObviousUseIsExact(t *testing.T) {
	t.Parallel()
	m := dedupe.New()
	for n := range 5000 {
		key := fmt.Sprint(n)
		for _, want := range []turn{firstTurn, copyTurn} {
			wantTurn(t, key, once(t.Context(), m, key, body(1), handled), want)
		}
		if seen, err := m.Seen(key); !seen || err != nil {
			t.Errorf("%s: Seen is %v, %v", key, seen, err)
		}
	}
	if n := m.Len(); n != 5000 {
		t.Errorf("Len = %d", n)
	}
}

// Of any number of callers at the same time one is told that the key is new.
func TestSeenTellsOneCaller(t *testing.T) {
	t.Parallel()
	m := dedupe.New()
	const keys, copies = 50, 20
	var fresh atomic.Int32
	var calls sync.WaitGroup
	for n := range keys * copies {
		calls.Go(func() {
			switch seen, err := m.Seen(fmt.Sprint(n % keys)); {
			case err != nil:
				t.Error(err)
			case !seen:
				fresh.Add(1)
			}
		})
	}
	calls.Wait()
	if fresh.Load() != keys {
		t.Errorf("%d of %d keys were new", fresh.Load(), keys)
	}
}

func TestSeenEndsWithTheWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const window = time.Hour
		m := dedupe.NewMemory(window, 1, nil)
		if m.Window() != window {
			t.Errorf("Window = %v", m.Window())
		}
		for i, want := range []bool{false, true} {
			if seen, err := m.Seen("a"); seen != want || err != nil {
				t.Errorf("look %d: %v, %v", i, seen, err)
			}
		}
		if seen, err := m.Seen("b"); seen || !errors.Is(err, dedupe.ErrFull) {
			t.Errorf("in a full one: %v, %v", seen, err)
		}
		time.Sleep(window + window/8 + 3)
		if seen, err := m.Seen("a"); seen || err != nil {
			t.Errorf("after the window: %v, %v", seen, err)
		}
	})
}

// Copies share the run of the first, and its success; another body waits for it
// too, and is told that it differs.
func TestOnceCopiesWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := dedupe.New()
		const copies = 20
		var runs atomic.Int32
		release, turns, other := make(chan struct{}), make(chan turn, copies), make(chan turn, 1)
		handle := func(context.Context) error {
			runs.Add(1)
			<-release
			return nil
		}
		for range copies {
			go func() { turns <- once(t.Context(), m, "a", body(1), handle) }()
		}
		synctest.Wait()
		go func() { other <- once(t.Context(), m, "a", body(2), handle) }()
		synctest.Wait()
		if len(turns)+len(other) > 0 || runs.Load() != 1 {
			t.Fatalf("%d answers before the outcome is known, %d runs", len(turns)+len(other), runs.Load())
		}
		if _, err := m.Seen("a"); !errors.Is(err, dedupe.ErrPending) {
			t.Errorf("Seen beside it: %v", err)
		}
		close(release)
		first := 0
		for range copies {
			got := <-turns
			if got.first {
				first++
			}
			if !got.same || got.err != nil {
				t.Errorf("got %+v", got)
			}
		}
		wantTurn(t, "another body", <-other, turn{})
		if first != 1 || runs.Load() != 1 {
			t.Errorf("%d were first, %d runs", first, runs.Load())
		}
	})
}

// What failed is not remembered: one of the copies that wait does it, and so
// does the next that comes.
func TestOnceFailureIsNotRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := dedupe.New()
		release, failed, waited := make(chan struct{}), make(chan turn, 1), make(chan turn, 1)
		go func() { failed <- once(t.Context(), m, "a", body(1), blockOn(release, errStore)) }()
		synctest.Wait()
		go func() { waited <- once(t.Context(), m, "a", body(1), handled) }()
		synctest.Wait()
		close(release)
		wantTurn(t, "the one that failed", <-failed, turn{err: errStore})
		wantTurn(t, "the one that waited", <-waited, firstTurn)

		wantTurn(t, "failure", once(t.Context(), m, "b", body(1), func(context.Context) error { return errStore }), turn{err: errStore})
		wantTurn(t, "panic", once(t.Context(), m, "b", body(1), func(context.Context) error { panic("handle") }), turn{err: dedupe.ErrPanic})
		wantTurn(t, "after both", once(t.Context(), m, "b", body(2), handled), firstTurn)
	})
}

// A caller that goes away does not leave half the work: it goes on, and its
// outcome counts.
func TestOnceOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := dedupe.New()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		release := make(chan struct{})
		got := once(ctx, m, "a", body(1), func(ctx context.Context) error {
			<-release
			if _, bounded := ctx.Deadline(); bounded || ctx.Err() != nil {
				t.Errorf("the caller's end is that of the work: %v", ctx.Err())
			}
			return nil
		})
		wantTurn(t, "gave up", got, turn{err: dedupe.ErrWait})
		wantTurn(t, "gave up", got, turn{err: context.DeadlineExceeded})
		close(release)
		synctest.Wait()
		wantTurn(t, "copy", once(t.Context(), m, "a", body(1), handled), copyTurn)
	})
}
