package dedupe_test

import (
	"context"
	"time"

	"github.com/inboxgate/inboxgate/dedupe"
)

func callerGoesAway(r reporter, g gate) {
	l, release, answers := newLedger(), make(chan struct{}), make(chan answer, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var ended error
	ask(ctx, g, "a", body(1), l.accept("a", body(1), func(ctx context.Context) error {
		<-release
		ended = ctx.Err()
		return ended
	}), answers)
	settle()
	cancel()
	gone := await(answers)
	wantError(r, "caller that went", gone, dedupe.ErrWait)
	wantError(r, "caller that went", gone, context.Canceled)

	late := make(chan answer, 1)
	ask(context.Background(), g, "a", body(1), l.accept("a", body(1), nil), late)
	settle()
	if len(late) != 0 {
		r.Errorf("the retry was answered while the first was being stored")
	}
	close(release)
	wantVerdict(r, "retry", await(late), dedupe.Duplicate)
	settle()
	if ended != nil {
		r.Errorf("the accept's context ended with the caller's: %v", ended)
	}
	wantRuns(r, l, "a", 1)

	wantError(r, "caller that was gone before", func() answer {
		v, err := g.Do(ctx, "b", body(1), l.accept("b", body(1), nil))
		return answer{v, err}
	}(), context.Canceled)
	settle()
	wantRuns(r, l, "b", 0)
}

func joinerGivesUp(r reporter, g gate) {
	l, release := newLedger(), make(chan struct{})
	first, joiner := make(chan answer, 1), make(chan answer, 1)
	ask(context.Background(), g, "a", body(1), l.accept("a", body(1), blockOn(release, nil)), first)
	settle()
	ctx, cancel := context.WithTimeout(context.Background(), patience/2)
	defer cancel()
	ask(ctx, g, "a", body(1), l.accept("a", body(1), nil), joiner)
	a := await(joiner)
	wantError(r, "joiner", a, dedupe.ErrWait)
	wantError(r, "joiner", a, context.DeadlineExceeded)
	close(release)
	wantVerdict(r, "first", await(first), dedupe.Accepted)
	settle()
	wantRuns(r, l, "a", 1)
}

func conflictJoins(r reporter, g gate) {
	const others = 20
	l, release := newLedger(), make(chan struct{})
	first, answers := make(chan answer, 1), make(chan answer, others)
	ask(context.Background(), g, "a", body(0), l.accept("a", body(0), blockOn(release, nil)), first)
	settle()
	slow := func(context.Context) error { time.Sleep(time.Millisecond); return nil }
	for i := range others {
		ask(context.Background(), g, "a", body(i+1), l.accept("a", body(i+1), slow), answers)
	}
	settle()
	if n := len(answers); n != 0 {
		r.Errorf("%d other bodies were answered before the first was stored", n)
	}
	wantRuns(r, l, "a", 1)
	close(release)
	wantVerdict(r, "first", await(first), dedupe.Accepted)
	if counts := tally(answers, others); counts[dedupe.Conflict] != others {
		r.Errorf("answers %v, want %d conflicts", counts, others)
	}
	for i := range others {
		if !l.conflicted("a", body(i+1)) {
			r.Errorf("the store never saw other body %d", i)
		}
	}
	wantRuns(r, l, "a", 1+others)
}

func copiesOfConflict(r reporter, g gate) {
	const copies = 20
	l, release, answers := newLedger(), make(chan struct{}), make(chan answer, copies)
	l.write("a", body(1))
	for range copies {
		ask(context.Background(), g, "a", body(2), l.accept("a", body(2), blockOn(release, nil)), answers)
	}
	settle()
	close(release)
	if counts := tally(answers, copies); counts[dedupe.Conflict] != copies {
		r.Errorf("answers %v, want %d conflicts", counts, copies)
	}
	wantRuns(r, l, "a", 1)
}

// secret stands for what a panic may carry and an error must not.
type secret string

func panicFrees(r reporter, g gate) {
	l, release := newLedger(), make(chan struct{})
	first, joiner := make(chan answer, 1), make(chan answer, 1)
	ask(context.Background(), g, "a", body(1), l.accept("a", body(1), func(context.Context) error {
		<-release
		panic(secret("+15550100"))
	}), first)
	settle()
	ask(context.Background(), g, "a", body(1), l.accept("a", body(1), nil), joiner)
	settle()
	close(release)
	a := await(first)
	wantError(r, "panic", a, dedupe.ErrPanic)
	if want := "function panicked: dedupe_test.secret"; a.err != nil && a.err.Error() != want {
		r.Errorf("panic: got %q, want %q", a.err, want)
	}
	wantVerdict(r, "joiner", await(joiner), dedupe.Accepted)
	settle()
	wantRuns(r, l, "a", 2)
}

// What a judge says that is no error is handed on, and asked for again.
func notDurable(r reporter, g gate) {
	for _, v := range []dedupe.Verdict{0, dedupe.Conflict, dedupe.Conflict + 1, 255} {
		a := do(g, "a", body(1), func(context.Context) (dedupe.Verdict, error) { return v, nil })
		wantVerdict(r, "not durable", a, v)
	}
	l := newLedger()
	wantVerdict(r, "next copy", do(g, "a", body(1), l.accept("a", body(1), nil)), dedupe.Accepted)
}
