package cli

import (
	"context"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
)

func (t *tree) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store <command>",
		Short: "Tells how the store is, copies, checks and compacts it",
		Long: `
"backup" and "compact" work while inboxgate runs and takes events. "check" reads
a store that is not in use, or a backup, and needs no inboxgate.

A store in a PostgreSQL database has "members", which share it, and "migrate" makes
its tables. For the rest the database has its own tools: "backup", "compact" and
"check" name them.
` + t.aboutControl(),
		Example: `  ` + t.Program + ` store status
  ` + t.Program + ` store backup /backup/inbox-2026-03-01.db
  ` + t.Program + ` store check /backup/inbox-2026-03-01.db`,
	}
	cmd.AddCommand(t.storeStatus(), t.storeBackup(), t.storeCheck(), t.storeCompact(), t.storeMembers(), t.storeMigrate(), t.storeCopy())
	addControl(cmd)
	return cmd
}

func (t *tree) storeStatus() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Tells how the store is",
		Example: `  ` + t.Program + ` store status --format json`,
		Args:    NoArgs,
		RunE: t.operated(func(ctx context.Context, o *operator, _ []string) error {
			s, err := o.client.Store(ctx)
			if err != nil {
				return err
			}
			if err := o.status(s); err != nil {
				return err
			}
			if !s.OK {
				return reported(o.cmd)
			}
			return nil
		}),
	}
}

// status prints how the store is.
func (o *operator) status(s control.Store) error {
	if o.json != nil {
		return o.encode(s)
	}
	state := o.paint.Good("takes events")
	switch {
	case s.Unavailable != "":
		state = o.paint.Bad("does not work") + ": " + term.Cell(s.Unavailable)
	case s.Refusing:
		state = o.paint.Bad("full") + ": new events get 503"
	}
	size := func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }
	table := term.NewList(o.w)
	fmt.Fprintf(table, "state\t%s\n", state)
	if s.Database != nil {
		o.database(table, s, size)
	} else {
		fmt.Fprintf(table, "used\t%s of a file of %s, and a log of %s\n", size(s.Used), size(s.File), size(s.Log))
		if s.Free > 0 {
			fmt.Fprintf(table, "disk\t%s free; new events need %s\n", humanize.IBytes(s.Free), humanize.IBytes(s.Floor))
		}
	}
	fmt.Fprintf(table, "quarantine\t%s, %s\n", count(s.Quarantined, "entry", "entries"), size(s.Odd))
	if s.Failures > 0 {
		fmt.Fprintf(table, "failures\t%s; the store was reopened after each\n", humanize.Comma(s.Failures))
	}
	return wrote(table.Flush())
}

func (t *tree) storeCompact() *cobra.Command {
	return &cobra.Command{
		Use:     "compact",
		Short:   "Gives the room of removed events back to the disk, while inboxgate works",
		Example: `  ` + t.Program + ` store compact`,
		Args:    NoArgs,
		RunE: t.operated(func(ctx context.Context, o *operator, _ []string) error {
			line := term.NewProgress(o.cmd.ErrOrStderr())
			step, err := o.client.Compact(ctx, func(s control.Step) { showStep(line, s) })
			line.End()
			if err != nil {
				return err
			}
			if o.json != nil {
				return o.encode(step)
			}
			return o.say("%s given back.", humanize.IBytes(uint64(max(step.Changed, 0))))
		}),
	}
}
