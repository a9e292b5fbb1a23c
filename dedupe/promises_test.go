package dedupe_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/dedupe"
)

// reporter is the part of testing.TB that a promise needs, so that a broken
// gate can be shown to fail.
type reporter interface {
	Errorf(format string, args ...any)
}

// promise is one thing that a gate owes its callers. It runs in a bubble of
// testing/synctest; no wait in it is longer than patience.
type promise struct {
	name  string
	check func(r reporter, g gate)
}

const patience = time.Minute

var promises = []promise{
	{"copies share one run", copiesShareOneRun},
	{"a failed run is done again", failedRunIsDoneAgain},
	{"two failed runs are an error", twoFailedRuns},
	{"what failed is not remembered", failureNotRemembered},
	{"a known key is a duplicate", knownKey},
	{"other bodies are judged each time", otherBodies},
	{"equal bodies under two keys are two events", equalBodies},
	{"a caller that goes away cancels nothing", callerGoesAway},
	{"one who waits may give up", joinerGivesUp},
	{"another body waits for its turn", conflictJoins},
	{"copies of a conflict are conflicts", copiesOfConflict},
	{"a panic is an error and frees the key", panicFrees},
	{"what is not durable is not remembered", notDurable},
}

type answer struct {
	verdict dedupe.Verdict
	err     error
}

// ask calls Do in a goroutine; the answer arrives in the channel.
func ask(ctx context.Context, g gate, key string, d dedupe.Digest, accept func(context.Context) (dedupe.Verdict, error), to chan<- answer) {
	go func() {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		v, err := g.Do(ctx, key, d, accept)
		to <- answer{v, err}
	}()
}

// do calls Do and waits.
func do(g gate, key string, d dedupe.Digest, accept func(context.Context) (dedupe.Verdict, error)) answer {
	to := make(chan answer, 1)
	ask(context.Background(), g, key, d, accept, to)
	a := await(to)
	settle()
	return a
}

var errSilent = errors.New("no answer")

// await gives up on an answer that does not come even after its patience.
func await(from <-chan answer) answer {
	select {
	case a := <-from:
		return a
	case <-time.After(2 * patience):
		return answer{err: errSilent}
	}
}

// settle lets everything that was set off come to rest, a cache's writes too.
func settle() { synctest.Wait() }

// tally counts n answers: by verdict, and the errors under 0.
func tally(from <-chan answer, n int) map[dedupe.Verdict]int {
	counts := map[dedupe.Verdict]int{}
	for range n {
		a := await(from)
		if a.err != nil {
			a.verdict = 0
		}
		counts[a.verdict]++
	}
	settle()
	return counts
}

func wantVerdict(r reporter, what string, a answer, want dedupe.Verdict) {
	if a.err != nil || a.verdict != want {
		r.Errorf("%s: got %v, %v; want %v", what, a.verdict, a.err, want)
	}
}

func wantError(r reporter, what string, a answer, want error) {
	if !errors.Is(a.err, want) || a.verdict != 0 {
		r.Errorf("%s: got %v, %v; want error %v", what, a.verdict, a.err, want)
	}
}

func wantRuns(r reporter, l *ledger, key string, want int) {
	if got := l.ran(key); got != want {
		r.Errorf("accept ran %d times for %q, want %d", got, key, want)
	}
	if n := l.overlapped(); n != 0 {
		r.Errorf("accept ran %d times beside itself", n)
	}
}

func copiesShareOneRun(r reporter, g gate) {
	const copies = 50
	l, release, answers := newLedger(), make(chan struct{}), make(chan answer, copies)
	for range copies {
		ask(context.Background(), g, "a", body(1), l.accept("a", body(1), blockOn(release, nil)), answers)
	}
	settle()
	if n := len(answers); n != 0 {
		r.Errorf("%d copies were answered before the first was stored", n)
	}
	close(release)
	counts := tally(answers, copies)
	if counts[dedupe.Accepted] != 1 || counts[dedupe.Duplicate] != copies-1 {
		r.Errorf("answers %v, want 1 accepted and %d duplicate", counts, copies-1)
	}
	wantRuns(r, l, "a", 1)
}

// blockOn makes a first step that waits for c and then returns err.
func blockOn(c <-chan struct{}, err error) func(context.Context) error {
	return func(context.Context) error {
		<-c
		return err
	}
}

// failFirst makes a first step that waits for c and fails the first n times.
func failFirst(n int32, c <-chan struct{}) func(context.Context) error {
	var runs atomic.Int32 // a broken gate runs it beside itself
	return func(context.Context) error {
		<-c
		if runs.Add(1) <= n {
			return errStore
		}
		return nil
	}
}

func failedRunIsDoneAgain(r reporter, g gate) {
	const copies = 50
	l, release, answers := newLedger(), make(chan struct{}), make(chan answer, copies)
	accept := l.accept("a", body(1), failFirst(1, release))
	for range copies {
		ask(context.Background(), g, "a", body(1), accept, answers)
	}
	settle()
	close(release)
	counts := tally(answers, copies)
	if counts[0] != 1 || counts[dedupe.Accepted] != 1 || counts[dedupe.Duplicate] != copies-2 {
		r.Errorf("answers %v, want 1 error, 1 accepted, %d duplicate", counts, copies-2)
	}
	wantRuns(r, l, "a", 2)
}

func twoFailedRuns(r reporter, g gate) {
	const copies = 50
	l, release, answers := newLedger(), make(chan struct{}), make(chan answer, copies)
	accept := l.accept("a", body(1), failFirst(2, release))
	for range copies {
		ask(context.Background(), g, "a", body(1), accept, answers)
	}
	settle()
	close(release)
	if counts := tally(answers, copies); counts[0] != copies {
		r.Errorf("answers %v, want %d errors", counts, copies)
	}
	wantRuns(r, l, "a", 2)
	wantVerdict(r, "later copy", do(g, "a", body(1), accept), dedupe.Accepted)
}

func failureNotRemembered(r reporter, g gate) {
	l := newLedger()
	failing := func(context.Context) (dedupe.Verdict, error) { return dedupe.Accepted, errStore }
	wantError(r, "failing accept", do(g, "a", body(1), failing), errStore)
	wantVerdict(r, "next copy", do(g, "a", body(1), l.accept("a", body(1), nil)), dedupe.Accepted)
}

func knownKey(r reporter, g gate) {
	l := newLedger()
	wantVerdict(r, "first", do(g, "a", body(1), l.accept("a", body(1), nil)), dedupe.Accepted)
	for range 3 {
		wantVerdict(r, "copy", do(g, "a", body(1), l.accept("a", body(1), nil)), dedupe.Duplicate)
	}
	// Known to the store alone, as after a restart.
	l.write("b", body(2))
	for range 3 {
		wantVerdict(r, "known to the store", do(g, "b", body(2), l.accept("b", body(2), nil)), dedupe.Duplicate)
	}
}

func otherBodies(r reporter, g gate) {
	l := newLedger()
	wantVerdict(r, "first", do(g, "a", body(1), l.accept("a", body(1), nil)), dedupe.Accepted)
	for range 3 {
		wantVerdict(r, "other body", do(g, "a", body(2), l.accept("a", body(2), nil)), dedupe.Conflict)
		wantVerdict(r, "first body", do(g, "a", body(1), l.accept("a", body(1), nil)), dedupe.Duplicate)
	}
	if !l.conflicted("a", body(2)) {
		r.Errorf("the store never saw the other body")
	}
}

func equalBodies(r reporter, g gate) {
	l := newLedger()
	for _, key := range []string{"a", "b", "c"} {
		wantVerdict(r, "first of "+key, do(g, key, body(1), l.accept(key, body(1), nil)), dedupe.Accepted)
	}
	for _, key := range []string{"a", "b", "c"} {
		wantVerdict(r, "copy of "+key, do(g, key, body(1), l.accept(key, body(1), nil)), dedupe.Duplicate)
	}
}
