//go:build linux

package faults

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/overlay"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// A scenario breaks one binary in one way, and returns what the checker makes
// of the record. It fails the test only where nothing could be learnt. What it
// waits for, and what a broken build may never do, it waits for until patience.
type scenario struct {
	name  string
	needs []string
	run   func(t *testing.T, binary string, patience time.Duration) history.Report
	// base is what every build for it has, beside a mutant's change.
	base func(t *testing.T) []rig.Replacement
}

// A finding is the kind of violation that a mutant must be convicted of.
type finding struct {
	name  string
	count func(history.Report) int
}

var (
	findsLost    = finding{"lost", func(r history.Report) int { return r.Lost }}
	findsDoubled = finding{"doubled", func(r history.Report) int { return r.Doubled }}
	findsWrongly = finding{"wrongly accepted", func(r history.Report) int { return r.WronglyAccepted }}
	// findsEarly is told in words alone: no column of the table is for it.
	findsEarly = finding{"told", func(r history.Report) int { return len(r.Violations) }}
)

// mutant is the program with one fault.
type mutant struct {
	name     string
	quick    bool // it is part of the short form
	change   []rig.Replacement
	scenario scenario
	finds    finding
}

const (
	srcAccept  = "caddymodule/accept.go"
	srcHandler = "caddymodule/handler.go"
	srcProxy   = "internal/upstream/request.go"
	srcGate    = "dedupe/gate.go"
	srcWork    = "internal/deliver/attempt.go"
	srcLife    = "internal/deliver/dispatcher.go"
	srcClock   = "internal/spool/sqlite/clock.go"
	srcCommit  = "internal/spool/sqlite/commit.go"
	srcOpen    = "internal/spool/sqlite/open.go"
	srcSettle  = "internal/spool/sqlite/settle.go"
	srcForget  = "internal/spool/sqlite/ids_forget.go"
)

// mutants stand in for the mistakes that this program could be making. The names
// are those of the catalogue.
var mutants = []mutant{
	{"answers before the commit", true, []rig.Replacement{{
		File: srcAccept, Old: "\t\treturn h.store(ctx, app, e)\n",
		New: "\t\ttime.AfterFunc(time.Second, func() { _, _, _ = h.store(context.WithoutCancel(ctx), app, e) })\n\t\treturn spool.Receipt{Verdict: spool.Accepted}, true, nil\n",
	}}, killedAtAnswer, findsLost},
	{"lets in what has no signature", true, []rig.Replacement{{
		File: srcHandler, Old: "r.Header[verify.Header]); err != nil {", New: "r.Header[verify.Header]); err != nil && len(r.Header[verify.Header]) > 0 {",
	}}, unsigned, findsWrongly},
	{"forgets to write down a success", true, []rig.Replacement{{
		File: srcSettle, Old: "\t\treturn w.settle(mine, st)\n",
		New: "\t\tif st.State == spool.Delivered {\n\t\t\treturn nil\n\t\t}\n\t\treturn w.settle(mine, st)\n",
	}}, restarted, findsDoubled},
	{"answers before the fsync", false, []rig.Replacement{{
		File: srcCommit, Old: "w.setSynchronous(durable)", New: "w.setSynchronous(false)",
	}}, powerCutAtAnswer, findsLost},
	{"marks the id before the commit", false, []rig.Replacement{{
		File: srcGate, Old: "func (g *Gate[T]) start(c *call[T]) {\n",
		New: "func (g *Gate[T]) start(c *call[T]) {\n\tg.cache.Set(strings.Clone(c.key), Entry{Key: strings.Clone(c.key), Digest: c.digest})\n",
	}}, refusedAndSentAgain, findsLost},
	{"drops what waits at a reload", false, []rig.Replacement{{
		File: srcLife, Old: "\t\tgo d.giveBack(back)\n",
		New: "\t\tgo func() {\n\t\t\tfor _, j := range back {\n\t\t\t\t_ = d.store.Settle(context.Background(), spool.Settlement{Lease: j.Lease, State: spool.Delivered})\n\t\t\t}\n\t\t\td.giveBack(back)\n\t\t}()\n",
	}}, reloadedWithQueue, findsLost},
	{"believes its log after a failed fsync", false, []rig.Replacement{
		{File: srcOpen, Old: "\tif err := w.renewLog(); err != nil {\n\t\treturn false, err\n\t}\n", New: ""},
		{File: srcOpen, Old: "if whole, err = w.copyLog(); err == nil && whole {", New: "if whole {"},
	}, failedFsyncThenPowerCut, findsLost},
	{"forgets ids when the clock jumps", false, []rig.Replacement{
		{File: srcClock, Old: "w.ageBase+int64(w.clock.Passed)", New: "w.now"},
		{File: srcForget, Old: "if src.id == id && mark > src.watermark {", New: "if src.id == id && mark > src.watermark && false {"},
	}, clockAheadAndBack, findsDoubled},
	{"keeps no watermark", false, []rig.Replacement{{
		File: srcForget, Old: "if src.id == id && mark > src.watermark {", New: "if src.id == id && mark > src.watermark && false {",
	}}, afterTheWindow, findsDoubled},
	{"forgets the newest ids at a start", false, []rig.Replacement{{
		File: srcOpen, Old: "\tif err := w.readRecentIDs(); err != nil {\n\t\treturn err\n\t}\n", New: "",
	}}, killedAndSentAgain, findsDoubled},
	{"takes a failed attempt for a delivery", false, []rig.Replacement{{
		File: srcWork, Old: "State: o.state, Reason: o.reason,", New: "State: spool.Delivered, Reason: o.reason,",
	}}, failingApp, findsLost},
	{"changes the body", false, []rig.Replacement{{
		File: srcProxy, Old: "io.NopCloser(bytes.NewReader(e.Request.Body))", New: "io.NopCloser(bytes.NewReader(bytes.ToUpper(e.Request.Body)))",
	}}, failingApp, findsWrongly},
	{"tries again before its time", false, []rig.Replacement{{
		File: srcSettle, Old: "due, ended = record.Nanos(st.Due), 0", New: "due, ended = w.now, 0",
	}}, failingApp, findsEarly},
}

// TestMutantsFollowTheSource: each still matches the source that it changes, also
// those that only the long form builds.
func TestMutantsFollowTheSource(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		if _, err := overlay.Write(t.TempDir(), m.change); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

// TestMutants: the checker sees what a broken build does, and nothing in what
// the program as it is does under the same fault.
func TestMutants(t *testing.T) { //nolint:tparallel // Its subtests go one by one: each builds a program.
	t.Parallel()
	clean := make(map[string]scenario)
	for _, m := range mutants {
		if !m.quick && !rig.Long() {
			continue
		}
		clean[m.scenario.name] = m.scenario
		t.Run(m.name, func(t *testing.T) {
			proctest.Needs(t, m.scenario.needs...)
			change := m.change
			if m.scenario.base != nil {
				change = append(m.scenario.base(t), change...)
			}
			report := m.scenario.run(t, rig.Overlay(t, change), 8*time.Second)
			if m.finds.count(report) == 0 {
				t.Errorf("the checker did not see it: %d lost, %d doubled, %d wrongly accepted; it says:\n%s",
					report.Lost, report.Doubled, report.WronglyAccepted, history.First(report.Violations))
			}
			t.Logf("%s: %d; %s", m.finds.name, m.finds.count(report), history.First(report.Violations))
		})
	}
	for _, s := range clean {
		t.Run("as it is, "+s.name, func(t *testing.T) {
			proctest.Needs(t, s.needs...)
			binary := rig.Binary(t)
			if s.base != nil {
				binary = rig.Overlay(t, s.base(t))
			}
			if report := s.run(t, binary, proctest.Patience); len(report.Violations) > 0 {
				t.Errorf("%s", history.First(report.Violations))
			}
		})
	}
}
