//go:build linux

package main

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	rounds  int
	seconds float64
	rate    int
	scale   float64
	rows    []string
	conns   []int
	bodies  []int
	dir     string
	express string
	profile string
	json    string
	docs    string
	from    string
	short   bool
	long    bool
	require bool
	timeout time.Duration
}

// The connections and the body that the goals speak of.
const (
	goalConns = 64
	goalBody  = 270
	goalRate  = 2000 // requests per second
)

func parseOptions(args []string) (options, error) {
	o := options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 3, "how often each side of a row is measured")
	f.Float64Var(&o.seconds, "seconds", 4, "how long each measurement lasts; a cell of the matrix takes a quarter of it")
	f.IntVar(&o.rate, "rate", goalRate, "requests per second of the rows at a fixed rate")
	f.Float64Var(&o.scale, "scale", 1, "shrinks the stores of rows 1b, 7, 8 and pages; their goals are for 1")
	rows := f.String("rows", "", "the rows to run, such as 1,3,1b,m (default all)")
	conns := f.String("conns", "1,16,64,256", "connections of the matrix; the goals are for 64")
	bodies := f.String("bodies", "270,16384", "bytes of a body in the matrix; the goals are for 270")
	f.StringVar(&o.dir, "dir", ".build/bench", "where the stores are, on the disk to be measured")
	f.StringVar(&o.express, "express", "", "where the packages of the Express yardstick are installed (default internal/bench/express)")
	f.StringVar(&o.profile, "profile", "", "writes CPU profiles of the engines' processes into this directory")
	f.StringVar(&o.json, "json", "", "writes every round's figures to this file as well")
	f.StringVar(&o.docs, "write", "", "writes performance.md with its plots and figures into this directory")
	f.StringVar(&o.from, "from", "", "measures nothing, but reads the figures of an earlier run that -json or -write wrote")
	f.BoolVar(&o.short, "short", false, "a smoke run of nearly every row in about a minute; its figures say nothing")
	f.BoolVar(&o.long, "long", false, "also the rows with millions of events in the store")
	f.BoolVar(&o.require, "require", false, "makes a row that cannot run here an error")
	f.DurationVar(&o.timeout, "timeout", 2*time.Hour, "ends the whole run")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.short {
		o.shorten(f, conns)
	}
	return o, o.check(f.Args(), *rows, *conns, *bodies)
}

// shorten shortens what was not said expressly.
func (o *options) shorten(f *flag.FlagSet, conns *string) {
	said := map[string]bool{}
	f.Visit(func(fl *flag.Flag) { said[fl.Name] = true })
	o.long = true
	if !said["rounds"] {
		o.rounds = 1
	}
	if !said["seconds"] {
		o.seconds = 0.4
	}
	if !said["scale"] {
		o.scale = 0.01
	}
	if !said["conns"] {
		*conns = "1,64"
	}
}

func (o *options) check(rest []string, rowList, connList, bodyList string) (err error) {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if o.rounds < 1 || o.seconds <= 0 || o.rate < 1 || o.scale <= 0 || o.scale > 1 {
		return fmt.Errorf("rounds, seconds and rate must be above 0, and scale between 0 and 1")
	}
	if rowList != "" {
		o.rows = strings.Split(rowList, ",")
	}
	for _, name := range o.rows {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.name == name }) {
			return fmt.Errorf("no row %q", name)
		}
	}
	if o.conns, err = numbers(connList, 1, 4096); err != nil {
		return fmt.Errorf("reading conns: %w", err)
	}
	if o.bodies, err = numbers(bodyList, minBody, 1<<20); err != nil {
		return fmt.Errorf("reading bodies: %w", err)
	}
	return nil
}

func numbers(list string, low, high int) (all []int, err error) {
	for _, word := range strings.Split(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		if n < low || n > high {
			return nil, fmt.Errorf("%d is not between %d and %d", n, low, high)
		}
		all = append(all, n)
	}
	return all, nil
}

func (o options) wants(name string) bool {
	return len(o.rows) == 0 || slices.Contains(o.rows, name)
}

func (o options) length() time.Duration {
	return time.Duration(o.seconds * float64(time.Second))
}

// scaled is n shrunk by -scale.
func (o options) scaled(n int) int { return max(1, int(float64(n)*o.scale)) }

// flags are those that repeat this run's figures; where it ran and what it
// wrote is nobody's business.
func (o options) flags() string {
	text := fmt.Sprintf("-rounds %d -seconds %g", o.rounds, o.seconds)
	if o.rate != goalRate {
		text += fmt.Sprintf(" -rate %d", o.rate)
	}
	if o.scale != 1 {
		text += fmt.Sprintf(" -scale %g", o.scale)
	}
	return text
}
