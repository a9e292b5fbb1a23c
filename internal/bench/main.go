//go:build linux

// Command bench measures inboxgate side by side with its yardsticks: bare
// Caddy, Caddy's reverse_proxy, the documented Express handler with Redis and
// BullMQ, and one fdatasync of the same disk; and a store in PostgreSQL beside the
// embedded one. From the root of the repository:
//
//	go run ./internal/bench            # a dozen minutes
//	go run ./internal/bench -short     # a smoke run: its figures say nothing
//	go run ./internal/bench -long      # also the stores of millions of events
//	go run ./internal/bench -long -write docs
//	go run ./internal/bench -from docs/performance/run.json -write docs
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
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "caddy":
			os.Args = os.Args[1:]
			caddycmd.Main()
			return
		case "engine":
			exit(runEngine(os.Args[2:]))
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

func run(ctx context.Context, o options) error {
	if o.from != "" {
		rep, err := readReport(o.from)
		if err != nil {
			return err
		}
		return rep.write(os.Stdout, o)
	}
	b, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	rep := report{Machine: b.machine(ctx), Flags: o.flags(), Short: o.short}
	before, err := readEffort()
	if err != nil {
		return err
	}
	begin := time.Now()
	failed := b.runRows(ctx, &rep)
	after, err := readEffort()
	if err != nil {
		return err
	}
	took := time.Since(begin)
	rep.Took, rep.Quiet = took.Round(time.Second).String(), quiet(before, after, took, len(b.cpus))
	if ctx.Err() != nil {
		o.docs = "" // Half a run is no page.
	}
	if err := rep.write(os.Stdout, o); err != nil {
		return err
	}
	if rep.void() {
		failed = errors.Join(failed, errors.New("a row is void: its figures mean nothing"))
	}
	return failed
}

func (b *bench) runRows(ctx context.Context, rep *report) (failed error) {
	for _, r := range rows {
		if ctx.Err() != nil {
			return errors.Join(failed, ctx.Err())
		}
		if !b.wants(r.name) {
			continue
		}
		if why := b.tooLong(r); why != "" {
			rep.skip(r.name, why)
			continue
		}
		b.say("row %s: %s", r.name, r.title)
		// What the row before has left to be written, or to be removed, is not this one's.
		syscall.Sync()
		out, err := r.run(ctx, b)
		var s skipped
		switch {
		case errors.As(err, &s) && (!b.require || s.optional && os.Getenv("CI") == ""):
			rep.skip(r.name, s.Error())
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("row %s: %w", r.name, err))
			rep.skip(r.name, "failed: "+err.Error())
		}
		rep.add(r, out)
	}
	return failed
}

// skipped says why a row cannot run here.
type skipped struct {
	why string
	// optional says that -require asks for it in CI alone.
	optional bool
}

func (s skipped) Error() string { return "skipped: " + s.why }
