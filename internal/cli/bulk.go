package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
)

// addBulk adds the flags of what may change many events.
func addBulk(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Bool("all", false, "choose every event, where no filter is given")
	f.Bool("dry-run", false, "count, and change nothing")
	f.Uint("max", 0, "end after so many events that are changed (default: no end)")
	f.BoolP("yes", "y", false, "do not ask")
}

// bulk is what one command changes.
type bulk struct {
	*operator
	want control.Bulk
	// did is the past of what it does; question what it asks, with two %s for
	// deliveries and events.
	did, question string
	// do is one of the client's calls.
	do func(ctx context.Context, b control.Bulk, f func(control.Step)) (control.Step, error)
}

// readBulk reads filter and flags. fixed is a state that the command is about.
func (o *operator) readBulk(fixed string) (b control.Bulk, err error) {
	f := o.cmd.Flags()
	if b.Filter, err = readFilter(o.cmd); err != nil {
		return b, err
	}
	b.All, _ = f.GetBool("all")
	if b.Filter == (control.Filter{}) && !b.All {
		return b, Usagef("nothing is chosen: give an id, a filter such as --since 2h, or --all")
	}
	if b.Filter != (control.Filter{}) && b.All {
		return b, usage("--all and a filter exclude each other: leave one out")
	}
	if fixed != "" {
		b.Filter.State = fixed
	}
	b.DryRun, _ = f.GetBool("dry-run")
	upTo, _ := f.GetUint("max")
	b.Max = int64(min(upTo, 1<<40))
	if f.Lookup("rate") != nil {
		b.Rate, _ = f.GetFloat64("rate")
		if f.Changed("rate") && (b.Rate <= 0 || b.Rate > 10000) {
			return b, usage("--rate must be above 0 and at most 10000 events a second")
		}
	}
	return b, nil
}

// run asks, does it, and tells.
func (b *bulk) run(ctx context.Context) error {
	if yes, _ := b.cmd.Flags().GetBool("yes"); !yes && !b.want.DryRun {
		if !asks(b.cmd) {
			return errNotAsked
		}
		dry := b.want
		dry.DryRun = true
		found, err := b.call(ctx, dry)
		if err != nil {
			return err
		}
		if found.Changed == 0 {
			return b.tell(found)
		}
		if err := confirm(b.cmd.InOrStdin(), b.cmd.ErrOrStderr(), fmt.Sprintf(b.question, count(found.Changed, "delivery", "deliveries"), count(found.Matched-found.Skipped, "event", "events"))); err != nil {
			return err
		}
	}
	step, err := b.call(ctx, b.want)
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("stopped")
		}
		if step.Changed > 0 && !b.want.DryRun {
			err = fmt.Errorf("%w; %s %s by then", err, count(step.Changed, "delivery", "deliveries"), b.did)
		}
		return err
	}
	return b.tell(step)
}

func (b *bulk) call(ctx context.Context, want control.Bulk) (last control.Step, err error) {
	line := term.NewProgress(b.cmd.ErrOrStderr())
	defer line.End()
	step, err := b.do(ctx, want, func(s control.Step) {
		last = s
		tellStep(line, s)
	})
	if err != nil && step.Matched == 0 {
		step = last // The call broke off before its last line.
	}
	return step, err
}

func (b *bulk) tell(s control.Step) error {
	if b.json != nil {
		return b.encode(s)
	}
	did := b.did
	if b.want.DryRun {
		did = "would be " + b.did
	}
	text := fmt.Sprintf("%s of %s %s.", count(s.Changed, "delivery", "deliveries"), count(s.Matched-s.Skipped, "event", "events"), did)
	if s.Skipped > 0 && len(s.PassedOver) == 0 {
		text += fmt.Sprintf(" %s had nothing to change.", count(s.Skipped, "event", "events"))
	}
	for _, p := range s.PassedOver {
		text += "\n" + passedOver(p, b.want, b.program)
	}
	return b.say("%s", text)
}

// passedOver says what to do about a route that is not configured.
func passedOver(p control.PassedOver, want control.Bulk, program string) string {
	text := fmt.Sprintf("Passed over: %s of route %s of source %s, which is not in the configuration.",
		count(p.Deliveries, "delivery", "deliveries"), term.Cell(p.Route), term.Cell(p.Source))
	if want.Route != "" {
		return text + " Configure the route there, or choose other events with --source."
	}
	again := program + " events replay --source " + p.Source + " --route " + p.Route
	if state := want.Filter.State; state != "" {
		again += " --state " + state
	}
	return fmt.Sprintf("%s Configure the route again, or send the events to another one with %q.", text, again+" --to <route>")
}

// changed tells of one event or entry.
func (o *operator) changed(n control.Changed, did, nothing string) error {
	if o.json != nil {
		return o.encode(n)
	}
	text := nothing
	if n.Changed > 0 {
		text = fmt.Sprintf("%s %s.", count(int64(n.Changed), "delivery", "deliveries"), did)
	}
	for _, p := range n.PassedOver {
		text += "\n" + passedOver(p, control.Bulk{}, o.program)
	}
	return o.say("%s", text)
}

const sentAgain = "sent again"

// replay sends one event again, or those of a filter.
func replay(ctx context.Context, o *operator, args []string) error {
	to, err := wordOf(o.cmd, "to")
	if err != nil {
		return err
	}
	if len(args) == 1 {
		return o.replayOne(ctx, args[0], to)
	}
	b := bulk{operator: o, did: sentAgain, question: "%s of %s will be sent again.", do: o.client.Replay}
	if b.want, err = o.readBulk(""); err != nil {
		return err
	}
	b.want.Route = to
	return b.run(ctx)
}

func (o *operator) replayOne(ctx context.Context, ref, to string) error {
	if err := o.onlyOne("route", "to", "source"); err != nil {
		return err
	}
	route, err := wordOf(o.cmd, "route")
	if err != nil {
		return err
	}
	if to != "" && route != "" {
		return usage("--route and --to exclude each other for one event: leave one out")
	}
	source, err := wordOf(o.cmd, "source")
	if err != nil {
		return err
	}
	one := control.Ref{Ref: ref, Source: source}
	if route != "" {
		e, err := o.client.Event(ctx, one, false)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(e.Deliveries, func(d control.Delivery) bool { return d.Route == route }) {
			routes, err := o.client.Routes(ctx)
			if err == nil && !slices.ContainsFunc(routes, func(r control.Route) bool { return r.Source == e.Source && r.Route == route }) {
				return fmt.Errorf("source %s has no route %q; %q shows them", term.Cell(e.Source), route, o.program+" routes list")
			}
			return fmt.Errorf("event %s has no delivery for route %s: say --to %s to send it there all the same", term.Cell(e.ID), route, term.ShellWord(route))
		}
	}
	n, err := o.client.Change(ctx, one, "replay", route+to)
	if err != nil {
		return err
	}
	return o.changed(n, sentAgain, "Nothing was sent again: no delivery of the event has ended.")
}

// onlyOne refuses flags that choose many beside an id, except those.
func (o *operator) onlyOne(but ...string) error {
	names := []string{"all", "max", "rate", "dry-run", "to"}
	for _, w := range control.AllWords() {
		names = append(names, w.Flag())
	}
	for _, name := range names {
		if f := o.cmd.Flags().Lookup(name); f == nil || !f.Changed {
			continue
		}
		ok := false
		for _, b := range but {
			ok = ok || b == name
		}
		if !ok {
			return Usagef("--%s is for a filter: leave it out, or leave the id out", name)
		}
	}
	return nil
}
