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

	"pgregory.net/rapid"

	"github.com/inboxgate/inboxgate/dedupe"
)

func handled(context.Context) error { return nil }

func remember(m *dedupe.Memory, key string, d dedupe.Digest) answer {
	v, err := m.Accept(context.Background(), key, d, handled)
	return answer{v, err}
}

func TestMemoryJudges(t *testing.T) {
	t.Parallel()
	m := dedupe.NewMemory(0, 0, nil)
	fail := func(context.Context) error { return errStore }
	_, err := m.Accept(context.Background(), "a", body(1), fail)
	wantError(t, "handler that fails", answer{0, err}, errStore)
	wantVerdict(t, "first", remember(m, "a", body(1)), dedupe.Accepted)
	wantVerdict(t, "copy", remember(m, "a", body(1)), dedupe.Duplicate)
	wantVerdict(t, "other body", remember(m, "a", body(2)), dedupe.Conflict)
	wantVerdict(t, "first body again", remember(m, "a", body(1)), dedupe.Duplicate)
	wantVerdict(t, "other key", remember(m, "b", body(1)), dedupe.Accepted)
	if n := m.Len(); n != 2 {
		t.Errorf("Len = %d, want 2", n)
	}
}

// What is handled must have a place, or it could not be remembered afterwards.
func TestMemoryFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const window = time.Hour
		m := dedupe.NewMemory(window, 2, nil)
		wantVerdict(t, "first", remember(m, "a", body(1)), dedupe.Accepted)
		release, answers := make(chan struct{}), make(chan answer, 1)
		go func() {
			v, err := m.Accept(context.Background(), "b", body(1), blockOn(release, nil))
			answers <- answer{v, err}
		}()
		settle()
		wantError(t, "same key beside it", remember(m, "b", body(1)), dedupe.ErrPending)
		wantError(t, "third", remember(m, "c", body(1)), dedupe.ErrFull)
		wantVerdict(t, "known in a full one", remember(m, "a", body(1)), dedupe.Duplicate)
		close(release)
		wantVerdict(t, "second", await(answers), dedupe.Accepted)
		wantError(t, "third", remember(m, "c", body(1)), dedupe.ErrFull)

		time.Sleep(window - time.Nanosecond)
		wantError(t, "third at the window's end", remember(m, "c", body(1)), dedupe.ErrFull)
		wantVerdict(t, "first at the window's end", remember(m, "a", body(1)), dedupe.Duplicate)
		time.Sleep(window/8 + 3)
		if n := m.Len(); n != 0 {
			t.Errorf("Len = %d after the window and an eighth", n)
		}
		wantVerdict(t, "third after it", remember(m, "c", body(1)), dedupe.Accepted)
		wantVerdict(t, "first after it", remember(m, "a", body(2)), dedupe.Accepted)
	})
}

func TestMemoryGivesPlacesBack(t *testing.T) {
	t.Parallel()
	m := dedupe.NewMemory(time.Hour, 1, nil)
	for range 3 {
		_, err := m.Accept(context.Background(), "a", body(1), func(context.Context) error { return errStore })
		wantError(t, "handler that fails", answer{0, err}, errStore)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a panic was swallowed")
				}
			}()
			_, _ = m.Accept(context.Background(), "b", body(1), func(context.Context) error { panic("handler") })
		}()
	}
	wantVerdict(t, "first", remember(m, "c", body(1)), dedupe.Accepted)
}

// A clock that is set back forgets nothing, and grows nothing.
func TestMemoryClockSetBack(t *testing.T) {
	t.Parallel()
	const window = time.Hour
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	m := dedupe.NewMemory(window, 1000, func() time.Time { return now })
	wantVerdict(t, "first", remember(m, "a", body(1)), dedupe.Accepted)
	now = now.Add(-24 * time.Hour)
	wantVerdict(t, "copy", remember(m, "a", body(1)), dedupe.Duplicate)
	wantVerdict(t, "set back", remember(m, "b", body(1)), dedupe.Accepted)
	now = now.Add(24*time.Hour + window - 1)
	wantVerdict(t, "copy", remember(m, "a", body(1)), dedupe.Duplicate)
}

// Against a model that scans: a key is known for the window at least and for an
// eighth more at most, whatever comes in between.
func TestMemoryModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const window = 80 * time.Second
		limit := rapid.IntRange(1, 12).Draw(t, "max")
		now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		m := dedupe.NewMemory(window, limit, func() time.Time { return now })
		model := map[string]written{}
		t.Repeat(map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "s")) * time.Second)
			},
			"a key comes": func(t *rapid.T) {
				key := fmt.Sprint(rapid.IntRange(0, 15).Draw(t, "key"))
				d := body(rapid.IntRange(0, 1).Draw(t, "body"))
				fails := rapid.Bool().Draw(t, "fails")
				v, err := m.Accept(context.Background(), key, d, func(context.Context) error {
					if fails {
						return errStore
					}
					return nil
				})
				sure, maybe := 0, 0
				for _, w := range model {
					switch age := now.Sub(w.at); {
					case age < window:
						sure++
					case age <= window+window/8:
						maybe++
					}
				}
				w, held := model[key]
				age := now.Sub(w.at)
				known := v == dedupe.Duplicate || v == dedupe.Conflict
				switch {
				case known && (!held || age > window+window/8 || (v == dedupe.Duplicate) != (w.digest == d)):
					t.Fatalf("%v for a key of age %v (held: %v)", v, age, held)
				case known:
				case held && age < window:
					t.Fatalf("%v, %v for a key of age %v", v, err, age)
				case errors.Is(err, dedupe.ErrFull):
					if sure+maybe < limit {
						t.Fatalf("full with %d keys of %d", sure+maybe, limit)
					}
				case sure >= limit:
					t.Fatalf("%v, %v although full", v, err)
				case fails != errors.Is(err, errStore):
					t.Fatalf("error %v, handler failed: %v", err, fails)
				case err == nil:
					model[key] = written{d, now}
				}
			},
		})
	})
}

// The pair of both parts, as a program without a disk uses it.
func TestMemoryBehindGate(t *testing.T) {
	t.Parallel()
	g, end := open(t, dedupe.GateOptions{IDs: -1})
	defer end()
	m := dedupe.NewMemory(time.Hour, 1000, nil)
	const keys, copies = 50, 20
	var runs, accepted, duplicates atomic.Int32
	var calls sync.WaitGroup
	for n := range keys * copies {
		calls.Go(func() {
			key := fmt.Sprint(n % keys)
			v, err := g.Do(context.Background(), key, body(n%keys), func(ctx context.Context) (dedupe.Verdict, error) {
				return m.Accept(ctx, key, body(n%keys), func(context.Context) error {
					runs.Add(1)
					return nil
				})
			})
			switch {
			case err != nil:
				t.Error(err)
			case v == dedupe.Accepted:
				accepted.Add(1)
			case v == dedupe.Duplicate:
				duplicates.Add(1)
			}
		})
	}
	calls.Wait()
	if runs.Load() != keys || accepted.Load() != keys || duplicates.Load() != keys*(copies-1) {
		t.Errorf("%d runs, %d accepted, %d duplicates", runs.Load(), accepted.Load(), duplicates.Load())
	}
}
