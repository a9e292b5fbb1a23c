package cli

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/storecopy"
)

func (t *tree) storeCopy() *cobra.Command {
	return &cobra.Command{
		Use:   "copy <from> <to>",
		Short: "Moves a store from a data directory into a database, or back",
		Long: `
Copies everything: events, deliveries with their attempts, the ids that are
remembered, quarantine, routes with their names, holds by hand. Windows and
retention go on from where they were. All of it is read back and compared. The
source is left as it is; but the copy is the same store in another place, so only
one of the two may go on.

<from> and <to> are each a data directory (or, for <from>, a backup's file), or a
database:

  env:NAME        the URL is in this variable, such as env:INBOX_DATABASE_URL
  file:PATH       the URL is in this file
  postgres://...  a URL without a password: the list of processes shows arguments to
                  everybody on the machine

Stop every inboxgate that uses either first. <to> must be empty. Until the copy is
whole nothing can start on it: a copy that broke off is begun anew by the same
command. A database's tables are in the schema inboxgate, or the one that
search_path in its URL names; they are made where the role may.`,
		Example: `  ` + t.Program + ` store copy /data/inbox env:INBOX_DATABASE_URL
  ` + t.Program + ` store copy file:/run/secrets/database-url /data/inbox`,
		Args: cobra.ExactArgs(2),
		RunE: t.runStoreCopy,
	}
}

func (t *tree) runStoreCopy(cmd *cobra.Command, args []string) error {
	o, err := t.newOutput(cmd)
	if err != nil {
		return err
	}
	var places [2]storecopy.Place
	for i, arg := range args {
		if places[i], err = storecopy.ParsePlace(arg); err != nil {
			return Usagef("<%s>: %s", []string{"from", "to"}[i], err)
		}
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	line := term.NewProgress(cmd.ErrOrStderr())
	report, err := storecopy.Copy(ctx, places[0], places[1], func(s storecopy.Step) {
		what := "copied"
		if s.Checking {
			what = "compared"
		}
		line.Show("%s of %s rows %s", humanize.Comma(s.Done), humanize.Comma(s.Total), what)
	})
	line.End()
	if err != nil {
		return err
	}
	return o.copied(report)
}

// copied prints what was copied.
func (o *operator) copied(r storecopy.Report) error {
	if o.json != nil {
		return o.encode(r)
	}
	return o.say("%s is now in %s: %s of %s with %s, %s, %s in quarantine, %s of %s, %s by hand. All was read back and is the same. Let only one of the two go on.",
		term.Cell(r.From), term.Cell(r.To), count(r.Events, "event", "events"), humanize.IBytes(uint64(r.Bytes)), count(r.Deliveries, "delivery", "deliveries"),
		count(r.IDs, "id", "ids"), count(r.Odd, "entry", "entries"), count(int64(r.Routes), "route", "routes"), count(int64(r.Sources), "source", "sources"),
		count(int64(r.Holds), "hold", "holds"))
}
