package cli

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/spool/postgres"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

func (t *tree) storeCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check [<directory>|<file>]",
		Short: "Reads all of a store that is not in use, or of a backup, and tells what is damaged",
		Long: `
Checks the structure of the database, and each event, delivery and entry: that it
can be read, and that bodies are those whose digests were stored with them.
Nothing is changed. Without an argument it reads the data directory. Of a store in a
PostgreSQL database it names the tool that checks it.

A store that is in use cannot be checked: take a backup, and check that.`,
		Example: `  ` + t.Program + ` store check /backup/inbox-2026-03-01.db
  ` + t.Program + ` store check /data/inbox`,
		Args: cobra.MaximumNArgs(1),
		RunE: t.runStoreCheck,
	}
}

func (t *tree) runStoreCheck(cmd *cobra.Command, args []string) error {
	o, err := t.newOutput(cmd)
	if err != nil {
		return err
	}
	path := env.DataDirOr(t.DataDir)
	if len(args) == 1 {
		path = args[0]
	} else if err := checkOfDatabase(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	line := term.NewProgress(cmd.ErrOrStderr())
	report, err := sqlite.Check(ctx, path, func(done, total int64) {
		line.Show("%s of %s events", humanize.Comma(done), humanize.Comma(total))
	})
	line.End()
	if err != nil {
		if errors.Is(err, sqlite.ErrInUse) {
			return fmt.Errorf("%w: write a copy with %q, and check that", err, t.Program+" store backup <file>")
		}
		return err
	}
	if err := o.report(report); err != nil {
		return err
	}
	if report.Damaged > 0 {
		return reported(cmd)
	}
	return nil
}

// checkOfDatabase returns what to use instead where the environment names a database for
// the store.
func checkOfDatabase() error {
	dsn, err := env.ReadDatabaseURL()
	if err != nil || dsn == "" {
		return err
	}
	target, err := postgres.ParseTarget(dsn)
	if err != nil {
		return fmt.Errorf("%s: %w", env.DatabaseURL, err)
	}
	return errors.New(target.Instead("check"))
}

// report prints what a check of a store has found.
func (o *operator) report(r sqlite.Report) error {
	if o.json != nil {
		return o.encode(r)
	}
	for _, text := range r.Damage {
		if err := o.say("%s", term.Cell(text)); err != nil {
			return err
		}
	}
	if more := r.Damaged - int64(len(r.Damage)); more > 0 {
		if err := o.say("… and %s more", humanize.Comma(more)); err != nil {
			return err
		}
	}
	if len(r.Added) > 0 {
		if err := o.say("Other programs keep things of their own in it, which is no damage: %s.", term.Cell(strings.Join(r.Added, ", "))); err != nil {
			return err
		}
	}
	state := o.paint.Good("sound")
	if r.Damaged > 0 {
		state = o.paint.Bad("damaged") + " in " + count(r.Damaged, "place", "places")
	}
	return o.say("%s is %s: %s with %s, %s in quarantine, %s.", term.Cell(r.Path), state, count(r.Events, "event", "events"),
		count(r.Deliveries, "delivery", "deliveries"), count(r.Quarantined, "entry", "entries"), humanize.IBytes(uint64(r.Bytes)))
}
