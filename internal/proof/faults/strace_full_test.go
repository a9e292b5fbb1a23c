//go:build linux && amd64

package faults

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// TestFaultWritesFail has writes fail as those to a full disk and of a used-up
// quota do, of which statfs knows nothing. What is in hand is delivered all the
// same, and accepts return with the room.
func TestFaultWritesFail(t *testing.T) {
	t.Parallel()
	g := &gate{}
	x := newTraced(t, rig.Options{Routes: []rig.Route{{Name: "all", Types: "message.*", Behave: g.behave}}})
	x.Start()
	rounds := 4
	if rig.Long() {
		rounds = 40
	}
	for n := range rounds {
		o := order{Dir: x.Data, From: 1 + n/4, To: -1, Errno: syscall.ENOSPC}
		if n%2 == 1 {
			o.Errno = syscall.EDQUOT
		}
		if n/2%2 == 0 {
			o.Do, o.Calls = failCall, []string{"pwrite64", "fallocate", "ftruncate"}
		} else {
			o.Do = failGrow // What the disk has already may be written over.
		}
		x.writesFail(g, o)
	}
	x.Settle()
	if code := x.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	wantWhole(t, x.Data)
	x.Books()
	report := x.Report([]int{7}, "ENOSPC and EDQUOT on writes that statfs does not foresee", rounds)
	if report.Repeated > 0 {
		t.Errorf("%d deliveries were repeated, although their outcome could be written later", report.Repeated)
	}
}

func (x *traced) writesFail(g *gate, o order) {
	x.t.Helper()
	open := g.shut(everything)
	defer open()
	inHand := x.events(10)
	before := x.Log.Arrivals(0)
	for _, e := range inHand {
		x.wantTaken(e, "accepted")
	}
	if !x.Log.Await(proctest.Patience, func() bool { return x.Log.Arrivals(0) >= before+len(inHand) }) {
		x.t.Fatalf("only %d attempts", x.Log.Arrivals(0)-before)
	}
	reopened := strings.Count(x.Life().Output(), openAgain)
	x.order(o)
	refused := x.sendUntil(http.StatusServiceUnavailable)
	from := time.Now()
	if o.Do == failCall {
		x.wantRefused(refused)
		x.wantRefused(x.events(20))
	} else {
		x.SendAll(x.t.Context(), x.events(20))
	}
	open()
	x.AwaitAll() // Although nothing can be written.
	if o.Do == failCall {
		x.Log.Refusing(from, time.Now())
	}
	x.order(x.all(0, watchCall))
	x.Life().Await(x.t, openAgain, reopened+1)
	x.sendUntil(http.StatusOK)
	for _, e := range refused {
		x.wantTaken(e, "")
	}
	x.quiet()
}

// sendUntil sends fresh events until one has that answer, and returns what had
// no 200.
func (x *traced) sendUntil(status int) (refused []history.Event) {
	x.t.Helper()
	for begun := time.Now(); time.Since(begun) < proctest.Patience; {
		e := x.Event(event.TypeMessageRead)
		a := x.Send(x.t.Context(), e)
		if a.Status != http.StatusOK {
			refused = append(refused, e)
		}
		if a.Status == status {
			return refused
		}
	}
	x.t.Fatalf("no answer %d after %s", status, proctest.Patience)
	return nil
}

// TestFaultTornWrites has the disk take a half of one write of an accept and
// refuse the rest; or the process is killed there.
func TestFaultTornWrites(t *testing.T) {
	t.Parallel()
	x := newTraced(t, rig.Options{})
	l := x.Start()
	const writes = 8 // of an accept: four pages, each with its frame's head
	rounds, torn := 0, 0
	for _, i := range x.some(writes, 4) {
		for _, then := range []deed{failCall, killAt} {
			rounds++
			if x.Life() == nil {
				l = x.Start()
			}
			x.quiet()
			e := x.Event(event.TypeMessageRead)
			o := order{Dir: x.Data, Calls: []string{"pwrite64"}, From: i, Do: halveCall, Then: then, Errno: syscall.ENOSPC}
			reopened := strings.Count(l.Output(), openAgain)
			x.order(o)
			a := x.Send(t.Context(), e)
			if a.Status == http.StatusOK {
				t.Errorf("write %d was torn, and the event answered 200", i)
			}
			made, alive := x.finish()
			for _, s := range made {
				if s.Did == halveCall {
					torn++
				}
			}
			if alive {
				l.Await(t, openAgain, reopened+1)
			} else {
				x.Died(history.Killed)
				wantWhole(t, x.Data)
				l = x.Start()
			}
			x.wantTaken(e, "")
		}
	}
	if torn < rounds/2 {
		t.Errorf("in %d rounds %d writes were torn", rounds, torn)
	}
	x.Settle()
	if code := x.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	wantWhole(t, x.Data)
	x.Books()
	x.Report([]int{8}, "a write of an accept is torn, and the disk full or the process killed", rounds)
}
