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

func (t *tree) deadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead <command>",
		Short: "Lists dead letters, sends them again or lets them go",
		Long: `
A dead letter is a delivery that was given up: its schedule has ended, or your
app refused it for good. It stays, with its event, until it is sent again or
discarded.
` + t.aboutControl(),
		Example: `  ` + t.Program + ` dead list --route default
  ` + t.Program + ` dead replay --since 2h --dry-run
  ` + t.Program + ` dead discard evt_1234567890`,
	}
	cmd.AddCommand(t.deadList(), t.deadReplay(), t.deadDiscard())
	addControl(cmd)
	return cmd
}

func (t *tree) deadList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [--group] [--route <route>] [--status <status>] …",
		Short: "Lists dead letters, newest event first, or counts those that ended alike",
		Example: `  ` + t.Program + ` dead list --group
  ` + t.Program + ` dead list --status 500 --error "database is down" --limit 0`,
		Args: NoArgs,
		RunE: t.operated(func(ctx context.Context, o *operator, _ []string) error {
			if group, _ := o.cmd.Flags().GetBool("group"); group {
				return o.deadGroups(ctx)
			}
			return o.list(ctx, control.List{Filter: control.Filter{State: "dead"}}, (*operator).deadLetters)
		}),
	}
	t.addFilter(cmd, control.OfDead)
	cmd.Flags().Bool("group", false, "count those of one route whose last attempts had the same status and error")
	addLimit(cmd, 50, "how many events at most; 0 for all")
	addReveal(cmd)
	addStore(cmd)
	return cmd
}

// deadLetters prints the dead letters of a page of events.
func (o *operator) deadLetters(page []control.Event) error {
	f, err := readFilter(o.cmd)
	if err != nil {
		return err
	}
	mixed := o.mixes(page)
	died := timed("DIED")
	died.Drop = diedGives
	columns := []term.Column{
		given("NUMBER", numberGives), whole("ID"), typesColumn(), plain("ROUTE"), died, given("ATTEMPTS", countsGive),
		whole("STATUS"), failing("ERROR"), failing("REASON"),
	}
	return o.page(withSource(mixed, columns), func(row func(...any)) {
		for _, e := range page {
			for _, d := range e.Deliveries {
				if d.State != "dead" || f.Route != "" && f.Route != d.Route || !d.LastWas(f) {
					continue
				}
				at := d.Last()
				status := "-"
				if at.Status != 0 {
					status = fmt.Sprint(at.Status)
				}
				row(sourceOf(mixed, e, e.ID, typeForms(e.Type), d.Route, o.whenForms(d.Ended), d.Attempts, status, orDash(at.Error), orDash(d.Reason))...)
			}
		}
	})
}

// deadGroups prints why deliveries died, the most frequent reason first.
func (o *operator) deadGroups(ctx context.Context) error {
	f, err := readFilter(o.cmd)
	if err != nil {
		return err
	}
	g, err := o.client.DeadGroups(ctx, f)
	if err != nil {
		return err
	}
	if o.json != nil {
		return encodeAll(o.printer, g.Groups)
	}
	if len(g.Groups) == 0 {
		return o.say("There are none.")
	}
	mixed := slices.ContainsFunc(g.Groups, func(v control.Group) bool { return v.Source != g.Groups[0].Source })
	columns := []term.Column{whole("COUNT"), plain("ROUTE"), whole("STATUS"), failing("ERROR"), failing("REASON"), timed("FIRST"), timed("LAST")}
	return o.rows(withSource(mixed, columns), func(row func(...any)) {
		for _, v := range g.Groups {
			status := "-"
			if v.Status != 0 {
				status = fmt.Sprint(v.Status)
			}
			cells := []any{v.Count, v.Route, status, orDash(v.Error), orDash(v.Reason), o.whenForms(v.Oldest), o.whenForms(v.Newest)}
			if mixed {
				cells = slices.Insert(cells, 1, any(v.Source))
			}
			row(cells...)
		}
	})
}

func (t *tree) deadReplay() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay <id> [--route <route>] | replay --<filter> …",
		Short: "Sends dead letters to your app again",
		Long: `
Sends the dead letters of one event again, or all that a filter chooses. What
was delivered to other routes is not sent again there, as it would be by
"events replay". Dead letters of a route that is not configured any more are
passed over, and told.`,
		Example: `  ` + t.Program + ` dead replay evt_1234567890
  ` + t.Program + ` dead replay --route default --since 2h --rate 50 --yes`,
		Args: cobra.MaximumNArgs(1),
		RunE: t.operated(replayDead),
	}
	t.addFilter(cmd, control.OfDead)
	addBulk(cmd)
	cmd.Flags().Float64("rate", 0, "how many events a second, up to 10000 (default: 100)")
	return cmd
}

// replayDead sends the dead letters of one event again, or those that a filter chooses.
func replayDead(ctx context.Context, o *operator, args []string) error {
	if len(args) == 1 {
		return o.replayOneDead(ctx, args[0])
	}
	b := bulkOf(o, sentAgain, "%s of %s will be sent again.", o.client.Replay)
	var err error
	if b.want, err = o.readBulk("dead"); err != nil {
		return err
	}
	b.want.OnlyState = true
	return b.run(ctx)
}

// replayOneDead sends an event again to the routes on which it is dead, and to no
// others.
func (o *operator) replayOneDead(ctx context.Context, id string) error {
	if err := o.onlyOne("route", "source"); err != nil {
		return err
	}
	only, err := wordOf(o.cmd, "route")
	if err != nil {
		return err
	}
	source, err := wordOf(o.cmd, "source")
	if err != nil {
		return err
	}
	ref := control.Ref{Ref: id, Source: source}
	e, err := o.client.Event(ctx, ref, false)
	if err != nil {
		return o.pointOn(ctx, ref, err)
	}
	var all control.Changed
	var refused error
	for _, d := range e.Deliveries {
		if d.State != "dead" || only != "" && only != d.Route {
			continue
		}
		n, err := o.client.Change(ctx, ref, "replay", d.Route)
		if err != nil {
			refused = errors.Join(refused, err)
			continue
		}
		all.Changed += n.Changed
	}
	if refused != nil && all.Changed == 0 {
		return refused
	}
	return errors.Join(refused, o.printChanged(all, sentAgain, "Nothing was sent again: the event has no dead letter there."))
}

func (t *tree) deadDiscard() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "discard <id> [--route <route>] | discard --<filter> …",
		Short:   "Lets dead letters go; the events stay in the log until they are old",
		Example: `  ` + t.Program + ` dead discard --type message.read --until 7d --dry-run`,
		Args:    cobra.MaximumNArgs(1),
		RunE:    t.operated(discardDead),
	}
	t.addFilter(cmd, control.OfDead)
	addBulk(cmd)
	return cmd
}

// discardDead lets the dead letters of one event go, or those that a filter chooses.
func discardDead(ctx context.Context, o *operator, args []string) error {
	const did = "discarded"
	if len(args) == 1 {
		if err := o.onlyOne("route", "source"); err != nil {
			return err
		}
		route, err := wordOf(o.cmd, "route")
		if err != nil {
			return err
		}
		source, err := wordOf(o.cmd, "source")
		if err != nil {
			return err
		}
		ref := control.Ref{Ref: args[0], Source: source}
		n, err := o.client.Change(ctx, ref, "discard", route)
		if err != nil {
			return o.pointOn(ctx, ref, err)
		}
		return o.printChanged(n, did, "Nothing was discarded: the event has no dead letter there.")
	}
	b := bulkOf(o, did, "%s of %s will be discarded.", o.client.DiscardDead)
	var err error
	if b.want, err = o.readBulk("dead"); err != nil {
		return err
	}
	return b.run(ctx)
}
