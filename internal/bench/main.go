//go:build linux

// Command bench measures inboxgate side by side with its yardsticks: bare
// Caddy, Caddy's reverse_proxy, the documented Express handler with Redis and
// BullMQ, and one fdatasync of the same disk. From the root of the repository:
//
//	go run ./internal/bench            # some minutes
//	go run ./internal/bench -short     # a smoke run: its figures say nothing
//	go run ./internal/bench -long      # also the stores of millions of events
//
// Guarantee: both sides of a row run in turn, round by round, in the same run
// under the same generator, and their medians are compared. Every request's
// answer is checked, what was answered is counted again in the store, and a
// row in which anything was wrong is void and says so. All of it is loopback.
//
// Limits: it needs Linux and two cores for itself. CPU, disk bytes and memory
// are those of the measured processes; flushes are counted by the disk (field
// 16 of /proc/diskstats), so those of anybody else are among them. The
// generator shares the machine, and where no core is given to the server alone
// also its cores.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "caddy":
			os.Args = os.Args[1:]
			caddycmd.Main()
			return
		case "app":
			exit(runApp(os.Args[2:]))
		}
	}
	o, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// row is one line of the goals, measured by one function.
type row struct {
	name string
	long bool // only with -long
	run  func(context.Context, *bench) (outcome, error)
}

var rows = []row{
	{name: "1", run: newEvents},
	{name: "1b", long: true, run: newEventsAmongMany},
	{name: "2", run: besideExpress},
	{name: "3", run: fixedRate},
	{name: "4", run: oneConnection},
	{name: "5", run: duplicates},
	{name: "6", run: wholeLife},
	{name: "7", run: catchingUp},
	{name: "8", long: true, run: manyWaiting},
}

func run(ctx context.Context, o options) error {
	b, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	rep := report{Environment: b.environment(ctx), Options: o.text()}
	var failed error
	for _, r := range rows {
		if !o.wants(r.name) {
			continue
		}
		if r.long && !o.long {
			rep.skip(r.name, "needs -long")
			continue
		}
		b.say("row %s", r.name)
		out, err := r.run(ctx, b)
		var s skipped
		switch {
		case errors.As(err, &s) && !o.require:
			rep.skip(r.name, s.Error())
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("row %s: %w", r.name, err))
			rep.skip(r.name, "failed: "+err.Error())
		}
		rep.add(r.name, out)
		if ctx.Err() != nil {
			break
		}
	}
	if err := rep.write(os.Stdout, o.json); err != nil {
		return err
	}
	if rep.void() {
		failed = errors.Join(failed, errors.New("a row is void: its figures mean nothing"))
	}
	return failed
}

// skipped says why a row cannot run here.
type skipped struct{ why string }

func (s skipped) Error() string { return "skipped: " + s.why }
