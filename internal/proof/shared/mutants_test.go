//go:build linux

package shared

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/overlay"
	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/machines"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// A scenario breaks machines of one binary in one way, and returns what the checker makes
// of the record.
type scenario struct {
	name string
	run  func(t *testing.T, binary string) history.Report
	// base is what every build for it has, beside a mutant's change.
	base func(t testing.TB) []rig.Replacement
}

// mutant is the program without one of the rules that keep ids and leases exact over
// machines.
type mutant struct {
	name     string
	quick    bool // it is part of the short form
	change   []rig.Replacement
	scenario scenario
	finds    func(history.Report) int
}

const (
	srcLink    = "internal/spool/postgres/link.go"
	srcKnown   = "internal/spool/postgres/known.go"
	srcAccept  = "internal/spool/postgres/accept.go"
	srcAccepts = "internal/spool/postgres/accepts.go"
	srcClock   = "internal/spool/postgres/clock.go"
)

func lost(r history.Report) int    { return r.Lost }
func doubled(r history.Report) int { return r.Doubled }
func wrongly(r history.Report) int { return r.WronglyAccepted }
func told(r history.Report) int    { return len(r.Violations) }

// mutants stand in for the mistakes that this engine could be making. The names are those
// of the catalogue.
var mutants = []mutant{
	{"says duplicate of what no standby has", true, []rig.Replacement{
		{File: srcKnown, Old: "\tt.do(leaveTrace, x.s.me, x.number)\n", New: ""},
		// What is saved once a second would wait for the standby too, by chance.
		{File: srcAccepts, Old: "\tsaving := x.saveTimes(t, r)\n", New: "\tsaving := false\n"},
	}, primaryLostYoung, lost},
	{"believes a commit that came with a warning", false, []rig.Replacement{{
		File: srcLink, Old: "if err == nil && l.warned != nil {", New: "if err == nil && l.warned != nil && false {",
	}}, cancelled, wrongly},
	{"gives the same fences on every machine", false, []rig.Replacement{{
		// Counted from one on each, they meet by chance; here they always do.
		File: srcAccept, Old: "return s.me<<32 | (last - int64(n) + 1)", New: "return last - last + 1",
	}}, sameOrder, doubled},
	{"sorts no ids", false, []rig.Replacement{
		{File: srcAccepts, Old: "return cmp.Or(cmp.Compare(a.src.id, b.src.id), cmp.Compare(a.Event.ID, b.Event.ID))", New: "return cmp.Or(0, 0)"},
		{File: srcAccepts, Old: "FROM u ORDER BY s,i\n", New: "FROM u\n"},
	}, mixedOrder, told},
	{"counts leases by the machine's clock", false, []rig.Replacement{{
		File: srcClock, Old: "\tage := k.base + int64(r.Passed)\n",
		New: "\tage := k.base + wallclock.WallNow().Round(0).UnixNano() - k.joined.Round(0).UnixNano()\n",
	}}, clockAhead, doubled},
}

// TestMutantsFollowTheSource: each still matches the source that it changes, also those
// that only the long form builds.
func TestMutantsFollowTheSource(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		change := m.change
		if m.scenario.base != nil {
			change = append(m.scenario.base(t), change...)
		}
		if _, err := overlay.Write(t.TempDir(), change); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

// TestMutants: the checker sees what a broken build does, and nothing in what the
// program as it is does under the same fault.
func TestMutants(t *testing.T) { //nolint:tparallel // Its subtests go one by one: each builds a program.
	t.Parallel()
	pgtest.Need(t)
	clean := make(map[string]scenario)
	for _, m := range mutants {
		if !m.quick && !rig.Long() {
			continue
		}
		clean[m.scenario.name] = m.scenario
		t.Run(m.name, func(t *testing.T) {
			change := m.change
			if m.scenario.base != nil {
				change = append(m.scenario.base(t), change...)
			}
			report := m.scenario.run(t, rig.Overlay(t, change))
			if m.finds(report) == 0 {
				t.Errorf("the checker did not see it: %d lost, %d doubled, %d wrongly accepted; it says:\n%s",
					report.Lost, report.Doubled, report.WronglyAccepted, history.First(report.Violations))
			}
			t.Logf("%d; %s", m.finds(report), history.First(report.Violations))
		})
	}
	for _, s := range clean {
		t.Run("as it is, "+s.name, func(t *testing.T) {
			binary := rig.Binary(t)
			if s.base != nil {
				binary = rig.Overlay(t, s.base(t))
			}
			if report := s.run(t, binary); len(report.Violations) > 0 {
				t.Errorf("%s", history.First(report.Violations))
			}
		})
	}
}

// fleetOf is machines that run one binary.
func fleetOf(t *testing.T, binary string, o machines.Options) *machines.Fleet {
	t.Helper()
	o.Each = func(_ int, o *rig.Options) { o.Binary = binary }
	f := machines.New(t, o)
	f.Start()
	return f
}

// judge stops the machines and judges what they have done.
func judge(f *machines.Fleet) history.Report {
	f.Log.AwaitAll(10 * time.Second) // A broken build may never be done.
	f.Stop()
	f.Books()
	return f.Log.Check(history.Rules{Several: true})
}

// primaryLostYoung is the fault of TestFaultYoungDuplicate, with what has a 200 never sent
// again.
var primaryLostYoung = scenario{name: "a young duplicate", run: func(t *testing.T, binary string) history.Report {
	f := fleetOf(t, binary, machines.Options{Standby: "sync"})
	youngDuplicate(t, f)
	f.Again(f.Unanswered())
	f.AwaitEnded()
	return judge(f)
}}

// cancelled is the first half of TestFaultCommitsCancelled.
var cancelled = scenario{name: "waits are cancelled", run: func(t *testing.T, binary string) history.Report {
	f := fleetOf(t, binary, machines.Options{Standby: "sync"})
	stop := f.Background(0)
	f.AwaitAcked(50)
	f.StandbyStopped(func() {
		for until := time.Now().Add(time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
			f.CancelWaiting()
		}
	})
	stop()
	f.Again(f.Unanswered())
	f.AwaitEnded()
	return judge(f)
}}

// sameOrder sends the same events in the same order to two machines that have just begun.
var sameOrder = scenario{name: "copies in one order", run: func(t *testing.T, binary string) history.Report {
	f := fleetOf(t, binary, machines.Options{})
	for range 100 {
		e := f.Event("message.read")
		for _, m := range f.Machines {
			if a := m.Send(t.Context(), e); a.Status != http.StatusOK {
				t.Fatalf("%s: %d %v", e.ID, a.Status, a.Err)
			}
		}
	}
	return judge(f)
}}

// mixedOrder sends many copies in as many orders, and counts the deadlocks.
var mixedOrder = scenario{name: "copies in many orders", run: func(t *testing.T, binary string) history.Report {
	f := fleetOf(t, binary, machines.Options{Machines: 3})
	deadlocks := func() int {
		n, err := pgtest.One[int](f.Primary, f.Database, "SELECT deadlocks FROM pg_stat_database WHERE datname=current_database()")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until) && deadlocks() == 0; {
		stormOfCopies(t, f, 200, 2)
	}
	report := judge(f)
	if n := deadlocks(); n > 0 {
		report.Violations = append(report.Violations, fmt.Sprintf("%d deadlocks", n))
	}
	return report
}}

// clockAhead sets the clock of one of two machines ahead while the other's attempts run.
var clockAhead = scenario{name: "one clock ahead", base: rig.ClockReplacements, run: func(t *testing.T, binary string) history.Report {
	right, ahead := rig.NewWallClock(t), rig.NewWallClock(t)
	goOn := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(letGo)
	f := machines.New(t, machines.Options{
		Routes: []rig.Route{{Name: "all", Types: "message.*", Behave: func(w http.ResponseWriter, r *http.Request, a *history.Attempt) {
			select {
			case <-goOn:
			case <-r.Context().Done():
			}
			rig.Answer(http.StatusOK, "OK")(w, r, a)
		}}},
		Each: func(machine int, o *rig.Options) {
			clock := right
			if machine == 1 {
				clock = ahead
			}
			o.Binary, o.Env = binary, append(o.Env, clock.Env())
		},
	})
	f.Start()
	for range 10 {
		f.Machines[0].Send(t.Context(), f.Event("message.read"))
	}
	f.Log.Await(10*time.Second, func() bool { return f.Log.Arrivals(0) >= 10 })
	ahead.Set(7 * time.Hour)
	f.Log.Await(5*time.Second, func() bool { return f.Log.Arrivals(0) > 10 })
	letGo()
	return judge(f)
}}
