// Package spooltest is the true contract of a spool.Store: an engine that
// passes Run may stand behind inboxgate.
//
// Guarantee: each case begins with a fresh Engine and ends within its time
// limit. Nothing depends on the speed of the machine: the store's clock is the
// case's own, and what must not happen yet is held up by a gate, not by a
// sleep. Random cases print their seed.
//
// Limits: the suite sees an engine only through spool.Store and the faults of
// Engine; spool.Embedded is tested beside the engine that has it. How fast an engine is, how its files
// look and what they do on a full disk are tested beside the engine.
package spooltest

import (
	"context"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Options are what the suite opens a store with.
type Options struct {
	// Now is the machine's clock. The suite sets it forth and back, and lets time
	// pass, which the monotonic reading tells apart. It is safe for concurrent use.
	Now func() time.Time
	// Settings are the operator's. Zero values mean the defaults.
	Settings spool.Settings
}

// Engine drives one store, on one stable storage, through its life. At most
// one store is open at a time; a store that the case has closed is not open.
// Methods are called by one goroutine at a time, FailSyncs and GateSyncs also
// while calls of the store are running.
type Engine interface {
	// Open opens the store on this engine's stable storage, as after a start
	// of the process.
	Open(t testing.TB, o Options) (spool.Store, error)
	// Kill ends the open store as kill -9 would: no Close runs, and what the
	// operating system had been given stays. Calls that are running, even at
	// a gate, end with an error and change nothing any more. A gate is gone.
	// With no store open it does nothing.
	Kill(t testing.TB)
	// PowerCut is Kill, but only what was synced stays. It also works with no
	// store open, after a Close or a Kill.
	PowerCut(t testing.TB)
	// Sweep does at once, on the open store, what the engine does by itself now and
	// then: it applies age and size limits by the present clock and settings, and
	// returns when nothing more is to be removed.
	Sweep(ctx context.Context) error
	// FailSyncs lets the next after syncs of the medium pass and makes the n
	// that follow fail. As Linux does it, what was handed over stays readable,
	// also after Kill, but counts as clean: no later sync makes it durable
	// unless it is written again. Each call replaces the one before (an n of 0
	// ends the faults), and so do Kill and PowerCut.
	FailSyncs(after, n int)
	// GateSyncs lets the next after syncs pass and holds up every further one.
	// blocked gets a value (sent without waiting for a reader; it holds one)
	// when a sync has come to the gate; release, which may be called twice,
	// lets all go on.
	GateSyncs(after int) (blocked <-chan struct{}, release func())
}

// Outliver is implemented by engines whose leases may outlive their process, because
// another one could hold them: an opening counts none of them, their end does. Cases let
// the time of a lease pass where they look for what a process has left.
type Outliver interface {
	LeasesOutlive() bool
}

// Sharer is implemented by engines whose storage two processes may have open. Kill and
// PowerCut end both.
type Sharer interface {
	// Peer opens the storage in a second process, while that of Open has it open or has
	// been closed. There is one peer at a time. Sweep and the faults are not the peer's:
	// GateSyncs and FailSyncs are of the medium, which both share.
	Peer(t testing.TB, o Options) (spool.Store, error)
	// KillPeer ends the peer alone, as Kill would. A gate stays. Without a peer it does
	// nothing.
	KillPeer(t testing.TB)
}

// Prompt is implemented by a Sharer that says how long it takes at most until one process
// knows what another has done. For others, cases wait for up to 10 s.
type Prompt interface {
	Soon() time.Duration
}

// soonWithin is long enough on a machine that is busy.
const soonWithin = 10 * time.Second

// Make makes an engine with empty storage. What it needs to clean up (also
// ending a store that is still open) it hands to t.Cleanup.
type Make func(t testing.TB) Engine

// Failure is one case that an engine did not pass.
type Failure struct {
	Case string
	// Log is what the case had to say.
	Log string
}

// Run runs every case against fresh engines, but for those of several processes.
func Run(t *testing.T, mk Make) { runCases(t, mk, ofOne) }

// RunShared runs every case against fresh engines, each of them a Sharer.
func RunShared(t *testing.T, mk Make) { runCases(t, mk, cases) }

func runCases(t *testing.T, mk Make, cases []testCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			switch r := runCase(t, c, mk); {
			case r.failed:
				t.Error(r.text())
			case r.skipped:
				t.Skip(r.text())
			}
		})
	}
}

// Check runs the named cases, or all when none is named, and returns those
// that failed.
func Check(t testing.TB, mk Make, names ...string) []Failure {
	t.Helper()
	var failed []Failure
	for _, c := range pick(t, names) {
		if r := runCase(t, c, mk); r.failed {
			failed = append(failed, Failure{Case: c.name, Log: r.text()})
		}
	}
	return failed
}

// Some faults are seen only if goroutines meet in a certain way. So many times
// a case may try to see one.
const lookTwice = 3

// MustFail fails t unless every named case fails for the engine: that a case
// can see a fault is shown by giving it the fault.
func MustFail(t testing.TB, mk Make, names ...string) {
	t.Helper()
	if len(names) == 0 {
		t.Fatal("MustFail needs the names of cases")
	}
	for _, c := range pick(t, names) {
		seen := false
		for try := 0; try < lookTwice && !seen; try++ {
			r := runCase(t, c, mk)
			if seen = r.failed; seen {
				t.Logf("case %q sees it: %s", c.name, r.text())
			}
		}
		if !seen {
			t.Errorf("case %q passed, but the engine is at fault", c.name)
		}
	}
}

// Cases lists the names of all cases.
func Cases() []string {
	names := make([]string, len(cases))
	for i, c := range cases {
		names[i] = c.name
	}
	return names
}

func pick(t testing.TB, names []string) []testCase {
	t.Helper()
	if len(names) == 0 {
		return cases
	}
	var picked []testCase
	for _, n := range names {
		found := false
		for _, c := range cases {
			if c.name == n {
				picked, found = append(picked, c), true
			}
		}
		if !found {
			t.Fatalf("no case is named %q", n)
		}
	}
	return picked
}
