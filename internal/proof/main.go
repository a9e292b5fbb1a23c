// Command proof runs the tests that break inboxgate, and tells what came of it.
//
// Guarantee: it ends with 0 only if every row of the catalogue was run, no test
// of a row failed, was skipped or is missing, and no history shows an event that
// was lost, accepted twice, or let in without a signature. Which test stands for
// which fault is in the catalogue, and the tables show each with its result.
//
// Limits: all processes run on one machine. The short form (-short) runs the same faults
// in fewer rounds. Some tests need root, strace and loop devices on Linux; where
// they cannot have them they fail.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// mounted is where the tests' binary looks for its Caddyfile.
const mounted = proctest.Mounted

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = prove(ctx, o, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "proof: "+err.Error())
		stop()
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	short, race bool
	write       string
	rows        []int // none: all
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	var rows string
	f := flag.NewFlagSet("proof", flag.ContinueOnError)
	f.SetOutput(out)
	f.BoolVar(&o.short, "short", false, "fewer rounds: about 5 minutes in place of 15")
	f.BoolVar(&o.race, "race", false, "build the binary and the tests with the race detector")
	f.StringVar(&o.write, "write", "", "write the tables to this `file`, if everything passed")
	f.StringVar(&rows, "rows", "", "only these rows of the catalogue, as in `1,2,16`")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	for field := range strings.SplitSeq(rows, ",") {
		if rows == "" {
			break
		}
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil {
			return o, fmt.Errorf("-rows: %q is no number", field)
		}
		if !slices.ContainsFunc(catalogue(), func(r row) bool { return r.n == n }) {
			return o, fmt.Errorf("-rows: the catalogue has no row %d", n)
		}
		o.rows = append(o.rows, n)
	}
	if o.write != "" && len(o.rows) > 0 {
		return o, errors.New("-write needs all rows")
	}
	return o, nil
}

// choose returns the rows that were asked for, and the tests to run for them.
func (o options) choose(all []row) (rows []row, checks []check, tests []test) {
	for _, r := range all {
		if len(o.rows) == 0 || slices.Contains(o.rows, r.n) {
			rows = append(rows, r)
			tests = append(tests, r.tests...)
		}
	}
	for _, c := range checkers {
		if len(o.rows) == 0 && (!c.long || !o.short) {
			checks = append(checks, c)
			tests = append(tests, c.test)
		}
	}
	return rows, checks, tests
}

func prove(ctx context.Context, o options, out io.Writer) error {
	if err := validate(catalogue()); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "inboxgate-proof-")
	if err != nil {
		return fmt.Errorf("making room: %w", err)
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	fmt.Fprintln(out, "building the binary")
	bin, err := build(ctx, dir, o.race)
	if err != nil {
		return err
	}
	results := filepath.Join(dir, "results")
	r := &runner{
		race: o.race, timeout: 4 * time.Hour, out: out, results: make(map[key]*outcome),
		env: append(os.Environ(), "CI=true", "INBOXGATE_BINARY="+bin, "INBOXGATE_PROOF="+results),
	}
	if o.short {
		r.timeout = 20 * time.Minute
	} else {
		r.env = append(r.env, "INBOXGATE_LONG=1")
	}
	rows, checks, tests := o.choose(catalogue())
	for _, p := range plans(tests) {
		fmt.Fprintf(out, "\n== %s (%s)\n", p.pkg, time.Since(began).Round(time.Second))
		if err := r.run(ctx, p); err != nil {
			return err
		}
	}
	lines, err := readLines(results)
	if err != nil {
		return err
	}
	p := &proof{
		rows: rows, checks: checks, tests: tests, results: r.results, records: lines, short: o.short, race: o.race,
		took: time.Since(began), at: time.Now(), machine: thisMachine(ctx),
	}
	p.print(out)
	if err := errors.Join(append(p.faults(), words(r.broken)...)...); err != nil {
		return err
	}
	if o.write == "" {
		return nil
	}
	return p.write(o.write)
}

func words(lines []string) (errs []error) {
	for _, line := range lines {
		errs = append(errs, errors.New(line))
	}
	return errs
}
