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

// addBulk adds the flags of a command that may change many events.
func addBulk(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Bool("all", false, "choose every event, where no filter is given")
	f.Bool("dry-run", false, "count, and change nothing")
	f.Uint("max", 0, "end after so many events that are changed (default: no end)")
	f.BoolP("yes", "y", false, "do not ask")
}

// bulk changes the events, or the entries of quarantine, that a filter chooses.
type bulk struct {
	*operator
	want control.Bulk
	// do is the call of the client that does it.
	do func(ctx context.Context, b control.Bulk, f func(control.Step)) (control.Step, error)
	// did is the past participle of what it does: "sent again".
	did string
	// question says what would be changed, before the user is asked.
	question func(found control.Step) string
	// changed says how many there are of what it changes: "2 deliveries".
	changed func(n int64) string
	// outcome says what became of them.
	outcome func(b *bulk, s control.Step) string
}

// bulkOf returns a bulk that changes deliveries. question has two %s, for deliveries
// and events.
func bulkOf(o *operator, did, question string, do func(context.Context, control.Bulk, func(control.Step)) (control.Step, error)) bulk {
	return bulk{
		operator: o, do: do, did: did, changed: deliveries, outcome: (*bulk).deliveriesOutcome,
		question: func(found control.Step) string {
			return fmt.Sprintf(question, deliveries(found.Changed), count(found.Matched-found.Skipped, "event", "events"))
		},
	}
}

// deliveries returns a number of deliveries in words.
func deliveries(n int64) string { return count(n, "delivery", "deliveries") }

// readBulk returns what the flags choose. fixed is the state that the command is
// about, or "".
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

// run does it, after the user has confirmed it, and prints the outcome.
func (b *bulk) run(ctx context.Context) error {
	if yes, _ := b.cmd.Flags().GetBool("yes"); !yes && !b.want.DryRun {
		if !interactive(b.cmd) {
			return errNotAsked
		}
		dry := b.want
		dry.DryRun = true
		found, err := b.call(ctx, dry)
		if err != nil {
			return err
		}
		if found.Changed == 0 {
			return b.print(found)
		}
		if err := confirm(b.cmd.InOrStdin(), b.cmd.ErrOrStderr(), b.question(found)); err != nil {
			return err
		}
	}
	step, err := b.call(ctx, b.want)
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("stopped")
		}
		if step.Changed > 0 && !b.want.DryRun {
			err = fmt.Errorf("%w; %s %s by then", err, b.changed(step.Changed), b.did)
		}
		return err
	}
	return b.print(step)
}

// call does it, and shows how far it is.
func (b *bulk) call(ctx context.Context, want control.Bulk) (last control.Step, err error) {
	line := term.NewProgress(b.cmd.ErrOrStderr())
	defer line.End()
	step, err := b.do(ctx, want, func(s control.Step) {
		last = s
		showStep(line, s)
	})
	if err != nil && step.Matched == 0 {
		step = last // The call broke off before its last line.
	}
	return step, err
}

// print prints the outcome.
func (b *bulk) print(s control.Step) error {
	if b.json != nil {
		return b.encode(s)
	}
	return b.say("%s", b.outcome(b, s))
}

// done returns did, or what it would be if this is a dry run.
func (b *bulk) done() string {
	if b.want.DryRun {
		return "would be " + b.did
	}
	return b.did
}

// deliveriesOutcome is the outcome of a change of deliveries.
func (b *bulk) deliveriesOutcome(s control.Step) string {
	text := fmt.Sprintf("%s of %s %s.", deliveries(s.Changed), count(s.Matched-s.Skipped, "event", "events"), b.done())
	if s.Skipped > 0 && len(s.PassedOver) == 0 {
		text += fmt.Sprintf(" %s had nothing to change.", count(s.Skipped, "event", "events"))
	}
	for _, p := range s.PassedOver {
		text += "\n" + passedOver(p, b.want, b.program)
	}
	return text
}

// passedOver says what to do about the deliveries of a route that is not configured.
func passedOver(p control.PassedOver, want control.Bulk, program string) string {
	text := fmt.Sprintf("Passed over: %s of route %s of source %s, which is not in the configuration.",
		deliveries(p.Deliveries), term.Cell(p.Route), term.Cell(p.Source))
	if want.Route != "" {
		return text + " Configure the route there, or choose other events with --source."
	}
	again := program + " events replay --source " + p.Source + " --route " + p.Route
	if state := want.Filter.State; state != "" {
		again += " --state " + state
	}
	return fmt.Sprintf("%s Configure the route again, or send the events to another one with %q.", text, again+" --to <route>")
}

// printChanged prints what became of one event.
func (o *operator) printChanged(n control.Changed, did, nothing string) error {
	if o.json != nil {
		return o.encode(n)
	}
	text := nothing
	if n.Changed > 0 {
		text = fmt.Sprintf("%s %s.", deliveries(int64(n.Changed)), did)
	}
	for _, p := range n.PassedOver {
		text += "\n" + passedOver(p, control.Bulk{}, o.program)
	}
	return o.say("%s", text)
}

// sentAgain is what a replay did.
const sentAgain = "sent again"

// replay sends one event again, or those that a filter chooses.
func replay(ctx context.Context, o *operator, args []string) error {
	to, err := wordOf(o.cmd, "to")
	if err != nil {
		return err
	}
	if len(args) == 1 {
		return o.replayOne(ctx, args[0], to)
	}
	b := bulkOf(o, sentAgain, "%s of %s will be sent again.", o.client.Replay)
	if b.want, err = o.readBulk(""); err != nil {
		return err
	}
	b.want.Route = to
	return b.run(ctx)
}

// replayOne sends one event again: to the route of --route or --to, or to all routes
// on which it has ended.
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
			return o.pointOn(ctx, one, err)
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
		return o.pointOn(ctx, one, err)
	}
	nothing := "Nothing was sent again: no delivery of the event has ended."
	if n.Changed == 0 && o.json == nil {
		nothing += o.retryHint(ctx, one, route+to)
	}
	return o.printChanged(n, sentAgain, nothing)
}

// retryHint names the commands that attempt now what waits of an event, on one route
// or on all.
func (o *operator) retryHint(ctx context.Context, one control.Ref, route string) (text string) {
	e, err := o.client.Event(ctx, one, false)
	if err != nil {
		return ""
	}
	for _, d := range e.Deliveries {
		if d.Due.IsZero() || route != "" && route != d.Route {
			continue
		}
		text += fmt.Sprintf(" %q attempts now what waits.", o.program+" routes retry "+term.ShellWord(d.Route))
	}
	return text
}

// onlyOne refuses flags that choose many events beside an id, except those named.
func (o *operator) onlyOne(but ...string) error {
	names := []string{"all", "max", "rate", "dry-run", "to"}
	for _, w := range control.AllWords() {
		names = append(names, w.Flag())
	}
	for _, name := range names {
		if f := o.cmd.Flags().Lookup(name); f == nil || !f.Changed {
			continue
		}
		if !slices.Contains(but, name) {
			return Usagef("--%s is for a filter: leave it out, or leave the id out", name)
		}
	}
	return nil
}
