package dedupe_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/dedupe"
)

var errStore = errors.New("store failed")

// judge is a Judge whose value is a verdict, which says whether the key is durable.
type judge = func(ctx context.Context) (dedupe.Verdict, error)

// gate is what the promises are checked on: a Gate, or one that is broken.
type gate interface {
	Do(ctx context.Context, key string, digest dedupe.Digest, judge judge) (dedupe.Verdict, error)
}

// realGate is a Gate as a program uses it that wants to know whether a key was new.
type realGate struct{ *dedupe.Gate[dedupe.Verdict] }

func (g realGate) Do(ctx context.Context, key string, digest dedupe.Digest, judge judge) (dedupe.Verdict, error) {
	v, by, err := g.Gate.Do(ctx, key, digest, func(ctx context.Context) (dedupe.Verdict, bool, error) {
		v, err := judge(ctx)
		return v, v == dedupe.Accepted || v == dedupe.Duplicate, err
	})
	switch {
	case err != nil:
		return 0, err
	case by == dedupe.Cached, by == dedupe.Shared && v == dedupe.Accepted:
		return dedupe.Duplicate, nil
	}
	return v, nil
}

// body makes a digest that differs for each n.
func body(n int) dedupe.Digest { return dedupe.Digest{byte(n), byte(n >> 8), 1} }

type written struct {
	digest dedupe.Digest
	at     time.Time
}

type keyed struct {
	key    string
	digest dedupe.Digest
}

// ledger is an exact store: the judge behind the gates under test, and the
// witness of how they called it.
type ledger struct {
	mu        sync.Mutex
	known     map[string]written
	conflicts map[keyed]bool
	running   map[string]int
	runs      map[string]int
	overlaps  int // runs that began while another of their key was running
}

func newLedger() *ledger {
	return &ledger{
		known:     map[string]written{},
		conflicts: map[keyed]bool{},
		running:   map[string]int{},
		runs:      map[string]int{},
	}
}

// accept makes a judge that does before, if not nil, and then
// writes. An error of before leaves the ledger as it was.
func (l *ledger) accept(key string, digest dedupe.Digest, before func(context.Context) error) judge {
	return func(ctx context.Context) (dedupe.Verdict, error) {
		l.begin(key)
		defer l.end(key)
		if before != nil {
			if err := before(ctx); err != nil {
				return 0, err
			}
		}
		return l.write(key, digest), nil
	}
}

func (l *ledger) begin(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs[key]++
	l.running[key]++
	if l.running[key] > 1 {
		l.overlaps++
	}
}

func (l *ledger) end(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[key]--
}

func (l *ledger) write(key string, digest dedupe.Digest) dedupe.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch w, ok := l.known[key]; {
	case !ok:
		l.known[key] = written{digest, time.Now()}
		return dedupe.Accepted
	case w.digest == digest:
		return dedupe.Duplicate
	default:
		l.conflicts[keyed{key, digest}] = true
		return dedupe.Conflict
	}
}

func (l *ledger) ran(key string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.runs[key]
}

func (l *ledger) overlapped() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.overlaps
}

func (l *ledger) conflicted(key string, digest dedupe.Digest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conflicts[keyed{key, digest}]
}
