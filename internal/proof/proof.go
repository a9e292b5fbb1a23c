package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// proof is a run that has ended.
type proof struct {
	rows    []row
	tests   []test
	checks  []check
	results map[key]*outcome
	records []record
	short   bool
	race    bool
	took    time.Duration
	at      time.Time
	machine machine
}

// readLines reads what the tests have told. No file: none has.
func readLines(file string) ([]record, error) {
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading results: %w", err)
	}
	var all []record
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		dec := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		dec.DisallowUnknownFields()
		var r record
		if err := dec.Decode(&r); err != nil {
			return nil, fmt.Errorf("reading results: line %d: %w", len(all)+1, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// tally sums up the records of a fault.
func tally(records []record) []record {
	var all []record
	for _, r := range records {
		i := slices.IndexFunc(all, func(a record) bool { return a.Fault == r.Fault })
		if i < 0 {
			r.Rows = slices.Clone(r.Rows)
			all = append(all, r)
			continue
		}
		all[i].Rows = append(all[i].Rows, r.Rows...)
		add(&all[i], r)
	}
	for i := range all {
		slices.Sort(all[i].Rows)
		all[i].Rows = slices.Compact(all[i].Rows)
	}
	slices.SortStableFunc(all, func(a, b record) int { return slices.Compare(a.Rows, b.Rows) })
	return all
}

// total is the sum over all faults.
func total(records []record) (t record) {
	for _, r := range records {
		add(&t, r)
	}
	return t
}

// add adds the counts of r to those of sum.
func add(sum *record, r record) {
	sum.Rounds += r.Rounds
	sum.Sent += r.Sent
	sum.Acked += r.Acked
	sum.Lost += r.Lost
	sum.Doubled += r.Doubled
	sum.Repeated += r.Repeated
	sum.WronglyAccepted += r.WronglyAccepted
}

// result is what became of a test.
func (p *proof) result(t test) string {
	o := p.results[t.key()]
	switch {
	case o == nil:
		return "missing"
	case o.result == "":
		return "unfinished"
	}
	return o.result
}

// faults is everything that keeps this from being a proof.
func (p *proof) faults() (errs []error) {
	for _, r := range p.rows {
		for _, t := range r.tests {
			if got := p.result(t); got != "pass" {
				errs = append(errs, fmt.Errorf("row %d: %s: %s: %s", r.n, t.pkg, t.name, got))
			}
		}
	}
	for _, t := range p.tests {
		if got := p.result(t); got != "pass" && !p.inRows(t) {
			errs = append(errs, fmt.Errorf("%s: %s: %s", t.pkg, t.name, got))
		}
	}
	for k, o := range p.results {
		if o.result != "pass" && !p.named(k) {
			errs = append(errs, fmt.Errorf("%s: %s: %s", k.pkg, k.name, cmp.Or(o.result, "unfinished")))
		}
	}
	for _, r := range p.records {
		for _, n := range r.Rows {
			if !standsFor(r.Test, n) {
				errs = append(errs, fmt.Errorf("%s tells of row %d, where the catalogue does not name it", r.Test, n))
			}
		}
		if r.Failed || r.Lost != 0 || r.Doubled != 0 || r.WronglyAccepted != 0 {
			errs = append(errs, fmt.Errorf("%s (%s, seed %d): lost %d, doubled %d, wrongly accepted %d", r.Fault, r.Test, r.Seed, r.Lost, r.Doubled, r.WronglyAccepted))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errs
}

// standsFor says whether the catalogue names the test in the row.
func standsFor(name string, n int) bool {
	function := test{name: name}.function()
	return slices.ContainsFunc(catalogue(), func(r row) bool {
		return r.n == n && slices.ContainsFunc(r.tests, func(t test) bool { return t.function() == function })
	})
}

func (p *proof) inRows(t test) bool {
	return slices.ContainsFunc(p.rows, func(r row) bool { return slices.Contains(r.tests, t) })
}

func (p *proof) named(k key) bool {
	return slices.ContainsFunc(p.tests, func(t test) bool { return t.key() == k })
}
