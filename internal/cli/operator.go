package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/instance"
)

// aboutControl returns the part of a help text that says which instance is asked.
func (t *tree) aboutControl() string {
	return `
It asks a running inboxgate, whose address is that of --admin or ` + env.Admin + `,
else the one with the data directory of ` + env.DataDir + `, else the only one that
runs on this machine, else ` + t.DefaultAdmin + `. From another machine, changes need the
token of ` + env.AdminToken + ` or of the file that ` + env.AdminTokenFile + ` names.

With --format json each line of the output is one object, with the API's names.
` + aboutExit
}

// operator is one run of a command that asks a running instance.
type operator struct {
	*printer
	cmd    *cobra.Command
	client *control.Client // nil for a command that only prints
	paint  term.Palette
	finder finder // how the address of client was found
	close  func() // ends the use of a store that no process has, nil for none

	// A list is one table, however many pages it is read in.
	table  *term.Table // nil before the first page
	source string      // that of its first event
	mixed  bool        // a later event had another source, so that there is a column for it
}

// addControl adds the flags that each command of the group cmd needs.
func addControl(cmd *cobra.Command) {
	cmd.PersistentFlags().String("admin", "", "where inboxgate's API is: host:port, a URL or unix//path (default: as told above)")
	addFormat(cmd)
	needSubcommand(cmd)
}

// operated returns the run function of a command that asks an instance. Ctrl-C ends
// f by its context.
func (t *tree) operated(f func(ctx context.Context, o *operator, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		o, err := t.newOperator(cmd)
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if o.close != nil {
			defer o.close()
		}
		return o.finder.unreachable(f(ctx, o, args))
	}
}

// newOperator returns an operator for the instance, or the store, that the flags and
// the environment choose.
func (t *tree) newOperator(cmd *cobra.Command) (*operator, error) {
	o, err := t.newOutput(cmd)
	if err != nil {
		return nil, err
	}
	address, _ := cmd.Flags().GetString("admin")
	if store, err := wordOf(cmd, "store"); err != nil || store != "" {
		return o, errors.Join(err, o.openStore(store, address))
	}
	o.finder = finder{dirs: instance.Directories(), dataDir: t.DataDir, byDefault: t.DefaultAdmin}
	if address == "" {
		if address, err = o.finder.find(); err != nil {
			return nil, err
		}
	}
	token, err := env.ReadAdminToken()
	if err != nil {
		return nil, err
	}
	if o.client, err = control.NewClient(address, token); err != nil {
		return nil, usageError{err}
	}
	return o, nil
}

// newOutput returns an operator without an API client, for commands that only print.
func (t *tree) newOutput(cmd *cobra.Command) (*operator, error) {
	asJSON, err := formatOf(cmd)
	if err != nil {
		return nil, err
	}
	out := cmd.OutOrStdout()
	return &operator{printer: newPrinter(out, asJSON, t.Program), cmd: cmd, paint: term.PaletteFor(out)}, nil
}

// listed is what came of a list.
type listed struct {
	n    int  // events that were listed
	more bool // it ended early: there may be more
	// total is how many events match at least; they are all of them unless partial
	// is set. It is nil where it was not asked for.
	total   *int64
	partial bool
}

// eachPage calls f with page after page until there were limit events; 0 is no limit.
func (o *operator) eachPage(ctx context.Context, l control.List, limit int, f func([]control.Event) error) (all listed, err error) {
	for {
		l.Limit = 500
		if limit > 0 {
			l.Limit = min(l.Limit, limit-all.n)
		}
		p, err := o.client.Events(ctx, l)
		if err != nil {
			return all, err
		}
		if l.Cursor == 0 {
			all.total, all.partial = p.Total, p.Partial
		}
		if all.n += len(p.Events); len(p.Events) > 0 {
			if err := f(p.Events); err != nil {
				return all, err
			}
		}
		l.Cursor = p.Next
		if l.Cursor == 0 || limit > 0 && all.n >= limit {
			all.more = l.Cursor != 0
			return all, nil
		}
	}
}
