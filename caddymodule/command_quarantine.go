package caddymodule

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/control"
)

func quarantineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine <command>",
		Short: "Looks at signed bodies that were no usable events, and decides about them",
		Long: `
In quarantine are bodies with a valid signature that inboxgate did not deliver:
no JSON, without an id, too old or from the future, or with the id of another
body. The platform got its 200. Each entry has a number.
` + aboutControl,
		Example: `  ` + programName() + ` quarantine list
  ` + programName() + ` quarantine show 12
  ` + programName() + ` quarantine release 12`,
	}
	list := &cobra.Command{
		Use:     "list [--source <source>] [--since <time>] …",
		Short:   "Lists the entries, newest first",
		Example: `  ` + programName() + ` quarantine list --since 1d`,
		Args:    cobra.NoArgs,
		RunE: operated(func(ctx context.Context, o *operator, _ []string) error {
			return o.list(ctx, control.List{Quarantine: true}, (*operator).entries)
		}),
	}
	addFilter(list, "state", "route")
	addLimit(list, 50, "how many at most; 0 for all")
	addReveal(list)
	cmd.AddCommand(list, showCommand(true), rawCommand(true),
		decide("release", "Delivers an entry as an event, as if it had come in time", "released: it is an event now and goes to its routes"),
		decide("discard", "Removes an entry for good", "removed"))
	addControl(cmd)
	return cmd
}

// decide changes one entry.
func decide(what, short, did string) *cobra.Command {
	return &cobra.Command{
		Use:     what + " <number>",
		Short:   short,
		Example: `  ` + programName() + ` quarantine ` + what + ` 12`,
		Args:    oneRef("the number of one entry"),
		RunE: operated(func(ctx context.Context, o *operator, args []string) error {
			n, err := o.client.Change(ctx, control.Ref{Ref: args[0], Quarantine: true}, what, "")
			if err != nil {
				return err
			}
			if o.json != nil {
				return o.encode(n)
			}
			return o.say("Entry %s was %s.", cell(args[0]), did)
		}),
	}
}

func (o *operator) entries(page []control.Event) error {
	return o.rows("NUMBER\tRECEIVED\tSOURCE\tID\tTYPE\tSIZE\tCOPIES\tREASON", func(row func(...any)) {
		for _, e := range page {
			row(e.Number, instant(e.Received), e.Source, orDash(e.ID), orDash(e.Type), e.Size, e.Copies, e.Reason)
		}
	})
}
