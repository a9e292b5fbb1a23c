//go:build linux && amd64

package faults

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// killPlan kills a process at its i-th call of something, for each i.
type killPlan struct {
	*traced
	g    *gate
	last history.Event
	// do is what is killed: it begins with order and returns once all its calls
	// were made, or the process has ended. Order 0 kills nothing.
	do func(order order, e history.Event)
}

func newKillPlan(t *testing.T) *killPlan {
	t.Helper()
	p := &killPlan{g: &gate{}}
	p.traced = newTraced(t, rig.Options{Routes: []rig.Route{{Name: "all", Types: "message.*", Behave: p.g.behave}}})
	return p
}

// round starts a process on what the last one left, has it do the thing, and
// kills it at its i-th call; or after the last, and then tells how many it made.
func (p *killPlan) round(i int) (calls int) {
	p.t.Helper()
	p.Start()
	if p.last.ID != "" {
		if a := p.Send(p.t.Context(), p.last); a.Status != http.StatusOK {
			p.t.Errorf("kill at %d: the event is answered %d %v after the restart", i, a.Status, a.Err)
		}
	}
	p.quiet()
	p.last = p.Event(event.TypeMessageRead)
	p.do(p.all(i, killAt), p.last)
	made, alive := p.finish()
	if alive {
		p.Kill()
	} else {
		p.died++
		p.Died(history.Killed)
	}
	wantWhole(p.t, p.Data)
	return len(made)
}

// run counts the calls and kills at each of them, then once after the last.
func (p *killPlan) run(what string, sample int) {
	p.t.Helper()
	n := p.round(0)
	p.t.Logf("%s makes %d calls", what, n)
	if n < 5 {
		p.t.Fatalf("%s makes %d calls, which cannot be all", what, n)
	}
	rounds := 1
	for _, i := range p.some(n+1, sample) {
		p.round(i)
		rounds++
	}
	p.wantDied(rounds - 1)
	p.Settle()
	if code := p.Stop(); code != 0 {
		p.t.Errorf("SIGTERM ends with exit code %d", code)
	}
	p.Books()
	p.Report([]int{2}, "killed at every write, fsync and truncate of "+what, rounds)
}

// TestFaultKilledAtEachCallOfAnAccept: a copy of the event is answered
// 200 after the restart, and the event comes to its app once it was acknowledged.
func TestFaultKilledAtEachCallOfAnAccept(t *testing.T) {
	t.Parallel()
	p := newKillPlan(t)
	p.do = func(o order, e history.Event) {
		defer p.g.shut(e.ID)()
		p.order(o)
		p.Send(t.Context(), e)
	}
	p.run("an accept", 5)
}

// TestFaultKilledAtEachCallOfASettle: a settle is on the disk half a second
// later, and until then the attempt may be repeated.
func TestFaultKilledAtEachCallOfASettle(t *testing.T) {
	t.Parallel()
	p := newKillPlan(t)
	p.do = func(o order, e history.Event) {
		open := p.g.shut(e.ID)
		defer open()
		if a := p.Send(t.Context(), e); a.Status != http.StatusOK {
			t.Errorf("answered %d %v", a.Status, a.Err)
		}
		if !p.Log.Await(proctest.Patience, func() bool { return p.Log.Arrivals(p.Life().N) > 0 }) {
			t.Fatal("the event does not come to its app")
		}
		p.order(o)
		open()
		p.awaitSync()
	}
	p.run("a settle", 5)
}

// awaitSync waits for the first fdatasync since the last order, or the end.
func (c *control) awaitSync() {
	c.t.Helper()
	c.await("a sync", func() bool {
		return c.ended || slices.ContainsFunc(c.calls, func(s stopped) bool { return s.Call == "fdatasync" })
	})
}

// TestFaultKilledAtEachCallOfACreation kills the first process of a new
// directory; the second finds what is there and must need no help.
func TestFaultKilledAtEachCallOfACreation(t *testing.T) {
	t.Parallel()
	x := newTraced(t, rig.Options{Routes: []rig.Route{{Name: "all", Types: "message.*"}}})
	n := x.creation(0)
	t.Logf("a creation makes %d calls", n)
	rounds := 1
	for _, i := range x.some(n, 6) {
		x.creation(i)
		rounds++
	}
	x.wantDied(rounds - 1)
	x.Report([]int{2}, "killed at every call of a store's creation", rounds)
}

// creation makes a store in a new directory, killed at its i-th call, and then
// uses it.
func (x *traced) creation(i int) (calls int) {
	x.t.Helper()
	x.Data = filepath.Join(x.Dir, fmt.Sprintf("spool%d", i))
	x.Configure(x.Caddyfile(""))
	calls = x.startKilledAt(i)
	if x.Life() == nil {
		wantWhole(x.t, x.Data)
		x.Start()
	}
	e := x.Event(event.TypeMessageRead)
	for range 2 {
		if a := x.Send(x.t.Context(), e); a.Status != http.StatusOK {
			x.t.Errorf("after a kill at call %d of the creation an event is answered %d %v", i, a.Status, a.Err)
		}
	}
	x.AwaitAll()
	if code := x.Stop(); code != 0 {
		x.t.Errorf("SIGTERM ends with exit code %d", code)
	}
	return calls
}

// startKilledAt starts a process and kills it at its i-th call. If it serves
// before that it lives on.
func (x *traced) startKilledAt(i int) (calls int) {
	x.t.Helper()
	x.first = x.all(i, killAt)
	l := x.Begin()
	served := l.Until(proctest.Patience, func(output string) bool {
		return strings.Contains(output, "serving initial configuration")
	})
	made, alive := x.finish()
	switch {
	case alive && served:
		x.Find()
	case alive:
		x.t.Fatal("the process neither serves nor ends")
	default:
		x.died++
		x.Died(history.Killed)
	}
	return len(made)
}

// wantDied checks that of n starts most were killed: one may make fewer calls
// than the one that was counted.
func (x *traced) wantDied(n int) {
	x.t.Helper()
	if x.died < n/2 {
		x.t.Errorf("of %d starts only %d were killed", n, x.died)
	}
}

// TestFaultKilledAtEachCallOfAReopening kills the start after a crash, again
// and again: each start finds what the last one left half done.
func TestFaultKilledAtEachCallOfAReopening(t *testing.T) {
	t.Parallel()
	x := newTraced(t, rig.Options{Routes: []rig.Route{{Name: "all", Types: "message.*"}}})
	x.Start()
	crash := func() {
		for range 3 {
			if a := x.Send(t.Context(), x.Event(event.TypeMessageRead)); a.Status != http.StatusOK {
				t.Errorf("answered %d %v", a.Status, a.Err)
			}
		}
		x.Kill()
	}
	crash()
	n := x.startKilledAt(0)
	t.Logf("a reopening makes %d calls", n)
	crash()
	rounds := 1
	for _, i := range x.some(n, 6) {
		x.startKilledAt(i)
		if x.Life() == nil {
			wantWhole(t, x.Data)
			x.Start()
		}
		x.Again(1, 1)
		crash()
		rounds++
	}
	x.wantDied(rounds - 1)
	x.Settle()
	if code := x.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	x.Books()
	x.Report([]int{2}, "killed at every call of a reopening", rounds)
}
