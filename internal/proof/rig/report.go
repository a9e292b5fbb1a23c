package rig

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/inboxgate/inboxgate/internal/proof/history"
)

// Report checks the record, fails the test with what is wrong in it, and adds
// the test's line to the table of the proof. It is the last call of a test.
func (r *Rig) Report(rows []int, fault string, rounds int) history.Report {
	r.t.Helper()
	report := r.Log.Check(r.o.Rules)
	if len(report.Violations) > 0 {
		r.t.Errorf("%d violations:\n%s", len(report.Violations), history.First(report.Violations))
	}
	if r.t.Failed() {
		r.t.Logf("the history is in %s; repeat with INBOXGATE_SEED=%d", r.keep(), r.Log.Seed())
	}
	r.t.Logf("%s: rounds %d, events %d, sends %d, copies %d, acknowledged %d, refused %d, unanswered %d, delivered %d, lost %d, doubled %d, repeated %d, wrongly accepted %d",
		fault, rounds, report.Events, report.Sends, report.Copies, report.Acked, report.Refused, report.Unanswered,
		report.Delivered, report.Lost, report.Doubled, report.Repeated, report.WronglyAccepted)
	line := history.Line{
		Rows: rows, Fault: fault, Test: r.t.Name(), Rounds: rounds, Sent: report.Events, Acked: report.Acked,
		Lost: report.Lost, Doubled: report.Doubled, Repeated: report.Repeated, WronglyAccepted: report.WronglyAccepted,
		Seed: r.Log.Seed(), Failed: r.t.Failed(),
	}
	if err := Tell(line); err != nil {
		r.t.Error(err)
	}
	return report
}

// Tell appends a line to the file named by INBOXGATE_PROOF, and does nothing
// without one. It is for tests that have no rig.
func Tell(line history.Line) error {
	path := os.Getenv("INBOXGATE_PROOF")
	if path == "" {
		return nil
	}
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("telling result: %w", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("telling result: %w", err)
	}
	defer f.Close()
	if _, err := f.Write(append(text, '\n')); err != nil { // One write: others append too.
		return fmt.Errorf("telling result: %w", err)
	}
	return nil
}

// keep writes the record to a file in INBOXGATE_HISTORY, or else in the
// directory of temporary files, and returns its path.
func (r *Rig) keep() string {
	dir := os.Getenv("INBOXGATE_HISTORY")
	if dir == "" {
		dir = os.TempDir()
	}
	name := strings.Map(func(c rune) rune {
		if c == '/' || c == ' ' {
			return '-'
		}
		return c
	}, r.t.Name())
	path := filepath.Join(dir, fmt.Sprintf("inboxgate-%s-%d.jsonl", name, r.Log.Seed()))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		defer f.Close()
		err = r.Log.Write(f)
	}
	if err != nil {
		r.t.Errorf("keeping history: %v", err)
	}
	return path
}
