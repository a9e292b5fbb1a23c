package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The packages of the tests that are named.
const (
	faults   = "internal/proof/faults"
	store    = "internal/spool/sqlite"
	contract = "internal/spool/spooltest"
	clock    = "internal/spool"
	dispatch = "internal/deliver"
	once     = "dedupe"
	envelope = "event"
	signed   = "verify"
	inCaddy  = "caddymodule"
	whole    = "internal/e2e"
	bodies   = "internal/body"
)

// test is a test by its package and name. A name with a slash is that of a
// subtest, as it stands in the source.
type test struct {
	pkg, name string
}

// function is the name of the test that a subtest belongs to.
func (t test) function() string {
	name, _, _ := strings.Cut(t.name, "/")
	return name
}

// key is the test as `go test` writes it.
func (t test) key() key {
	return key{t.pkg, strings.ReplaceAll(t.name, " ", "_")}
}

// row is one fault of the table, with what must happen.
type row struct {
	n             int
	fault, expect string
	tests         []test
	// why says why one node cannot have the fault. Only a row without tests has it.
	why string
}

// lastRow is the number of the last row.
const lastRow = 84

// catalogue is every row, in order.
func catalogue() []row {
	rows := slices.Concat(storeRows, lifeRows, deliveryRows, attackRows, formatRows, sharedRows)
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.n, b.n) })
	for i, r := range rows {
		var tests []test
		for _, n := range programTests {
			if slices.Contains(n.rows, r.n) {
				tests = append(tests, test{faults, n.name})
			}
		}
		rows[i].tests = append(tests, r.tests...)
	}
	return rows
}

// validate says what a catalogue lacks.
func validate(rows []row) error {
	var errs []error
	have := map[int]int{}
	for _, r := range rows {
		have[r.n]++
		switch {
		case r.fault == "" || r.expect == "":
			errs = append(errs, fmt.Errorf("row %d: no words", r.n))
		case len(r.tests) == 0 && strings.TrimSpace(r.why) == "":
			errs = append(errs, fmt.Errorf("row %d: neither a test nor a reason", r.n))
		case len(r.tests) > 0 && r.why != "":
			errs = append(errs, fmt.Errorf("row %d: a test and a reason for having none", r.n))
		}
	}
	for n := 1; n <= lastRow; n++ {
		if have[n] != 1 {
			errs = append(errs, fmt.Errorf("row %d: it is there %d times", n, have[n]))
		}
	}
	if len(have) != lastRow {
		errs = append(errs, fmt.Errorf("%d rows, want %d", len(have), lastRow))
	}
	return errors.Join(errs...)
}
