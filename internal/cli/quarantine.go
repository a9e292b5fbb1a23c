package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
)

func (t *tree) quarantineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine <command>",
		Short: "Looks at signed bodies that were no usable events, and decides about them",
		Long: `
In quarantine are bodies with a valid signature that inboxgate did not deliver:
no JSON, without an id, too old or from the future, or with the id of another
body. The platform got its 200. Each entry has a number.
` + t.aboutControl(),
		Example: `  ` + t.Program + ` quarantine list
  ` + t.Program + ` quarantine show 12
  ` + t.Program + ` quarantine release 12
  ` + t.Program + ` quarantine release --reason 'created before' --dry-run`,
	}
	list := &cobra.Command{
		Use:     "list [--source <source>] [--since <time>] …",
		Short:   "Lists the entries, newest first",
		Example: `  ` + t.Program + ` quarantine list --since 1d`,
		Args:    cobra.NoArgs,
		RunE: t.operated(func(ctx context.Context, o *operator, _ []string) error {
			return o.list(ctx, control.List{Quarantine: true}, (*operator).entries)
		}),
	}
	t.addFilter(list, control.OfQuarantine)
	addLimit(list, 50, "how many at most; 0 for all")
	addReveal(list)
	addStore(list)
	cmd.AddCommand(list, t.showCommand(true), t.rawCommand(true), t.releaseCommand(), t.discardOddCommand())
	addControl(cmd)
	return cmd
}

func (t *tree) releaseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "release <number> | release --<filter> …",
		Short: "Delivers entries as events, as if they had come in time",
		Long: `
Makes an event of one entry, or of all that a filter chooses. It goes to the routes
that take its type, under the platform's id where that is beyond doubt; where no
route takes it, it is kept as unrouted. What is known already stays.`,
		Example: `  ` + t.Program + ` quarantine release 12
  ` + t.Program + ` quarantine release --reason 'created before' --since 2h --dry-run`,
		Args: cobra.MaximumNArgs(1),
		RunE: t.operated(func(ctx context.Context, o *operator, args []string) error {
			return o.decide(ctx, args, decision{what: "release", did: "released", question: "%s will be released.", do: o.client.ReleaseOdd, say: o.released})
		}),
	}
	t.addFilter(cmd, control.OfQuarantine)
	addBulk(cmd)
	return cmd
}

func (t *tree) discardOddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "discard <number> | discard --<filter> …",
		Short: "Removes entries for good",
		Example: `  ` + t.Program + ` quarantine discard 12
  ` + t.Program + ` quarantine discard --reason 'body is not JSON' --until 7d --yes`,
		Args: cobra.MaximumNArgs(1),
		RunE: t.operated(func(ctx context.Context, o *operator, args []string) error {
			return o.decide(ctx, args, decision{
				what: "discard", did: "removed", question: "%s will be removed for good.", do: o.client.DiscardOdd,
				say: func(control.Changed) string { return "removed" },
			})
		}),
	}
	t.addFilter(cmd, control.OfQuarantine)
	addBulk(cmd)
	return cmd
}

// decision is what is to be done with entries.
type decision struct {
	what, did, question string
	do                  func(ctx context.Context, b control.Bulk, f func(control.Step)) (control.Step, error)
	// say is what became of one.
	say func(n control.Changed) string
}

// decide changes one entry, or those of a filter.
func (o *operator) decide(ctx context.Context, args []string, d decision) error {
	if len(args) == 0 {
		return o.decideAll(ctx, d)
	}
	if err := o.onlyOne(); err != nil {
		return err
	}
	n, err := o.client.Change(ctx, control.Ref{Ref: args[0], Quarantine: true}, d.what, "")
	if err != nil {
		return err
	}
	if o.json != nil {
		return o.encode(n)
	}
	return o.say("Entry %s was %s.", term.Cell(args[0]), d.say(n))
}

// released says where the event of an entry goes.
func (o *operator) released(n control.Changed) string {
	e := n.Released
	switch {
	case e == nil:
		return "released"
	case len(e.Routes) > 0:
		return fmt.Sprintf("released: it is event %s now and goes to %s", term.Cell(e.ID), term.Cell(strings.Join(e.Routes, ", ")))
	case e.Type == "":
		return fmt.Sprintf("released: it is event %s now, and unrouted, because it has no type: send it with %q",
			term.Cell(e.ID), o.program+" events replay "+e.ID+" --to <route>")
	}
	return fmt.Sprintf("released: it is event %s now, and unrouted, because no route takes %s", term.Cell(e.ID), term.Cell(e.Type))
}

func (o *operator) decideAll(ctx context.Context, d decision) error {
	want, err := o.readBulk("")
	if err != nil {
		return err
	}
	b := bulk{operator: o, want: want, did: d.did, do: d.do}
	if yes, _ := o.cmd.Flags().GetBool("yes"); !yes && !want.DryRun {
		if !asks(o.cmd) {
			return errNotAsked
		}
		dry := want
		dry.DryRun = true
		found, err := b.call(ctx, dry)
		if err != nil {
			return err
		}
		if found.Changed == 0 {
			return o.decided(d, want, found)
		}
		if err := confirm(o.cmd.InOrStdin(), o.cmd.ErrOrStderr(), fmt.Sprintf(d.question, count(found.Changed, "entry", "entries"))); err != nil {
			return err
		}
	}
	step, err := b.call(ctx, want)
	if err != nil {
		if step.Changed > 0 && !want.DryRun {
			err = fmt.Errorf("%w; %s %s by then", err, count(step.Changed, "entry", "entries"), d.did)
		}
		return err
	}
	return o.decided(d, want, step)
}

func (o *operator) decided(d decision, want control.Bulk, s control.Step) error {
	if o.json != nil {
		return o.encode(s)
	}
	did := d.did
	if want.DryRun {
		did = "would be " + did
	}
	text := fmt.Sprintf("%s %s.", count(s.Changed, "entry", "entries"), did)
	if s.Unrouted > 0 {
		text += fmt.Sprintf(" Of these %s by no route and kept as unrouted.", count(s.Unrouted, "is taken", "are taken"))
	}
	if s.Skipped > 0 {
		text += fmt.Sprintf(" %s: known already, or of a source that is not configured.", count(s.Skipped, "stays", "stay"))
	}
	return o.say("%s", text)
}

func (o *operator) entries(page []control.Event) error {
	return o.rows("NUMBER\tRECEIVED\tSOURCE\tID\tTYPE\tSIZE\tCOPIES\tREASON", func(row func(...any)) {
		for _, e := range page {
			row(e.Number, o.when(e.Received), e.Source, orDash(e.ID), orDash(e.Type), e.Size, e.Copies, e.Reason)
		}
	})
}
