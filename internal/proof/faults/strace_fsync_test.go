//go:build linux && amd64

package faults

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// openAgain is what the process logs once a store that failed works again.
const openAgain = "store is open again"

// TestFaultFsyncFails has an fsync fail under load, once or for a while. Until
// the store was opened anew there is only 503, also for copies of what failed.
func TestFaultFsyncFails(t *testing.T) {
	t.Parallel()
	x := newTraced(t, rig.Options{Rate: 200})
	x.Start()
	rounds := rig.Rounds(8, 60)
	for n := range rounds {
		o := x.all(1+n/2%10, failCall)
		o.Calls, o.Errno = []string{"fdatasync", "fsync"}, syscall.EIO
		if n%2 == 0 {
			o.Then = holdCall // It fails once; what follows waits until we have looked.
		} else {
			o.To = -1
		}
		x.fsyncFails(o)
	}
	x.Settle()
	if code := x.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	wantWhole(t, x.Data)
	x.Books()
	report := x.Report([]int{6}, "fsync fails under load, once or for a while", rounds)
	if report.Refused < 20*rounds {
		t.Errorf("%d requests were refused: that was no failure", report.Refused)
	}
}

func (x *traced) fsyncFails(o order) {
	x.t.Helper()
	reopened := strings.Count(x.Life().Output(), openAgain)
	stop := x.Background(0)
	x.AwaitAcked(20)
	x.order(o)
	if !x.awaitDone(1) {
		x.t.Fatal("the process ended")
	}
	from := time.Now()
	stop()
	failed := x.Log.Choose(func(e history.Sent) bool { return e.AckedIn == 0 })
	x.wantRefused(failed)
	x.wantRefused(x.events(20))
	x.Log.Refusing(from, time.Now())
	x.order(x.all(0, watchCall))
	x.Life().Await(x.t, openAgain, reopened+1)
	x.wantRewritten()
	for i, a := range x.SendAll(x.t.Context(), failed) {
		if a.Status != http.StatusOK {
			x.t.Errorf("%s is answered %d %v after the reopening", failed[i].ID, a.Status, a.Err)
		}
	}
}

// events are n that nobody has seen.
func (x *traced) events(n int) (all []history.Event) {
	for range n {
		all = append(all, x.Event(event.TypeMessageRead))
	}
	return all
}

func (x *traced) wantRefused(events []history.Event) {
	x.t.Helper()
	for i, a := range x.SendAll(x.t.Context(), events) {
		if a.Status != http.StatusServiceUnavailable {
			x.t.Errorf("%s is answered %d %q %v while the disk refuses", events[i].ID, a.Status, a.Result, a.Err)
		}
	}
}

// wantRewritten checks that after the last failure the log was synced by
// itself, as it is after it was written over: SQLite uses fdatasync. Only then
// is what the page cache holds on the disk.
func (x *traced) wantRewritten() {
	x.t.Helper()
	x.mu.Lock()
	calls := slices.Concat(x.before, x.calls)
	x.mu.Unlock()
	synced := false
	for _, s := range calls {
		switch {
		case s.Did == failCall:
			synced = false
		case s.Call == "fsync" && strings.HasSuffix(s.Path, "-wal"):
			synced = true
		}
	}
	if !synced {
		x.t.Errorf("the store was opened anew, and in %d calls its log was not synced", len(calls))
	}
}

// TestFaultFirstCopyFails has the fsync of an event fail while copies of it
// wait for its outcome.
func TestFaultFirstCopyFails(t *testing.T) {
	t.Parallel()
	x := newTraced(t, rig.Options{})
	x.Start()
	rounds := rig.Rounds(8, 50)
	for n := range rounds {
		x.quiet()
		e, copies := x.Event(event.TypeMessageRead), 2+n%20
		answers := x.sendStalled(e, copies)
		failing := x.all(1, holdCall)
		failing.To, failing.FailHeld, failing.Errno = -1, true, syscall.EIO
		x.order(failing)
		from := time.Now()
		x.wantRefused([]history.Event{e})
		for _, a := range answers() {
			if a.Status != http.StatusServiceUnavailable {
				t.Errorf("a copy is answered %d %q %v although the first failed", a.Status, a.Result, a.Err)
			}
		}
		x.Log.Refusing(from, time.Now())
		x.order(x.all(0, watchCall))
		x.Life().Await(t, openAgain, n+1)
		x.wantRewritten()
		for range 2 {
			if a := x.Send(t.Context(), e); a.Status != http.StatusOK {
				t.Errorf("answered %d %v after the reopening", a.Status, a.Err)
			}
		}
	}
	x.Settle()
	if code := x.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	x.Books()
	x.Report([]int{6, 25}, "the first copy fails to be stored while others wait", rounds)
}

// sendStalled sends an event whose fsync is held, and copies while it is. The
// returned function waits for all answers.
func (x *traced) sendStalled(e history.Event, copies int) (answers func() []history.Answer) {
	x.t.Helper()
	o := x.all(1, holdCall)
	o.Calls = []string{"fdatasync"}
	x.order(o)
	first := make(chan history.Answer, 1)
	go func() { first <- x.Send(x.t.Context(), e) }()
	if !x.awaitDone(1) {
		x.t.Fatal("the process ended")
	}
	others := x.sendAside(slices.Repeat([]history.Event{e}, copies))
	return func() []history.Answer { return append(others(), <-first) }
}

// TestFaultFsyncOfAGroupFails has one fsync fail that was to make a dozen events
// durable: each of them gets 503, and no other answer before the reopening.
func TestFaultFsyncOfAGroupFails(t *testing.T) {
	t.Parallel()
	x := newTraced(t, rig.Options{})
	x.Start()
	rounds, apart := rig.Rounds(4, 50), 0
	for n := range rounds {
		x.quiet()
		group := x.events(12)
		before := x.sendStalled(x.Event(event.TypeMessageRead), 0)
		answers := x.sendAside(group) // They wait for the next one.
		failing := x.all(1, failCall)
		failing.Calls, failing.Then, failing.Errno = []string{"fdatasync"}, holdCall, syscall.EIO
		x.order(failing)
		// Where a late settle was synced first, it is one more of the group.
		if before()[0].Status == http.StatusOK {
			apart++
		}
		refused := 0
		for _, a := range answers() {
			if a.Status == http.StatusServiceUnavailable {
				refused++
			}
		}
		if refused != len(group) {
			t.Errorf("the fsync of %d events failed, and %d are refused", len(group), refused)
		}
		from := time.Now()
		x.wantRefused(group)
		x.Log.Refusing(from, time.Now())
		x.order(x.all(0, watchCall))
		x.Life().Await(t, openAgain, n+1)
		x.wantRewritten()
		x.wantAllTaken(x.SendAll(t.Context(), group))
	}
	if apart == 0 {
		t.Errorf("in %d rounds no event was durable before the group", rounds)
	}
	x.Settle()
	if code := x.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	x.Books()
	x.Report([]int{6}, "the fsync of a dozen events fails", rounds)
}
