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
		Args:    NoArgs,
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
			return o.decide(ctx, args, decision{what: "release", did: "released", question: "%s will be released.", do: o.client.ReleaseOdd, became: o.released})
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
				became: func(control.Changed) string { return "removed" },
			})
		}),
	}
	t.addFilter(cmd, control.OfQuarantine)
	addBulk(cmd)
	return cmd
}

// decision is what is to become of entries.
type decision struct {
	what     string // the API's word for it
	did      string // its past participle
	question string // with a %s for the entries
	do       func(ctx context.Context, b control.Bulk, f func(control.Step)) (control.Step, error)
	// became says what became of one entry.
	became func(n control.Changed) string
}

// decide changes one entry, or those that a filter chooses.
func (o *operator) decide(ctx context.Context, args []string, d decision) error {
	if len(args) == 0 {
		return o.decideAll(ctx, d)
	}
	if err := o.onlyOne(); err != nil {
		return err
	}
	ref := control.Ref{Ref: args[0], Quarantine: true}
	n, err := o.client.Change(ctx, ref, d.what, "")
	if err != nil {
		return o.pointOn(ctx, ref, err)
	}
	if o.json != nil {
		return o.encode(n)
	}
	return o.say("Entry %s was %s.", term.Cell(args[0]), d.became(n))
}

// released says where the event goes that was made of an entry.
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

// decideAll changes the entries that a filter chooses.
func (o *operator) decideAll(ctx context.Context, d decision) (err error) {
	b := bulk{
		operator: o, do: d.do, did: d.did, changed: entries, outcome: (*bulk).entriesOutcome,
		question: func(found control.Step) string { return fmt.Sprintf(d.question, entries(found.Changed)) },
	}
	if b.want, err = o.readBulk(""); err != nil {
		return err
	}
	return b.run(ctx)
}

// entries returns a number of entries in words.
func entries(n int64) string { return count(n, "entry", "entries") }

// entriesOutcome is the outcome of a change of entries.
func (b *bulk) entriesOutcome(s control.Step) string {
	text := fmt.Sprintf("%s %s.", entries(s.Changed), b.done())
	if s.Unrouted > 0 {
		text += fmt.Sprintf(" Of these %s by no route and kept as unrouted.", count(s.Unrouted, "is taken", "are taken"))
	}
	if s.Skipped > 0 {
		text += fmt.Sprintf(" %s: known already, or of a source that is not configured.", count(s.Skipped, "stays", "stay"))
	}
	return text
}

// entries prints a page of entries.
func (o *operator) entries(page []control.Event) error {
	columns := []term.Column{
		whole("NUMBER"), timed("RECEIVED"), plain("SOURCE"), whole("ID"), typesColumn(),
		given("SIZE", sizesGive), given("COPIES", sizesGive), plain("REASON"),
	}
	return o.page(columns, func(row func(...any)) {
		for _, e := range page {
			row(e.Number, o.whenForms(e.Received), e.Source, orDash(e.ID), typeForms(e.Type), e.Size, e.Copies, e.Reason)
		}
	})
}
