package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/control"
)

func storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store <command>",
		Short: "Tells how the store is, copies, checks and compacts it",
		Long: `
"backup" and "compact" work while inboxgate runs and takes events. "check" reads
a store that is not in use, or a backup, and needs no inboxgate.
` + aboutControl,
		Example: `  ` + programName() + ` store status
  ` + programName() + ` store backup /backup/inbox-2026-03-01.db
  ` + programName() + ` store check /backup/inbox-2026-03-01.db`,
	}
	cmd.AddCommand(storeStatus(), storeBackup(), storeCheck(), storeCompact())
	addControl(cmd)
	return cmd
}

func storeStatus() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Tells how the store is",
		Example: `  ` + programName() + ` store status --format json`,
		Args:    cobra.NoArgs,
		RunE: operated(func(ctx context.Context, o *operator, _ []string) error {
			s, err := o.client.Store(ctx)
			if err != nil {
				return err
			}
			if err := o.status(s); err != nil {
				return err
			}
			if !s.OK {
				return told(o.cmd)
			}
			return nil
		}),
	}
}

func (o *operator) status(s control.Store) error {
	if o.json != nil {
		return o.encode(s)
	}
	state := o.paint.good("takes events")
	switch {
	case s.Unavailable != "":
		state = o.paint.bad("does not work") + ": " + cell(s.Unavailable)
	case s.Refusing:
		state = o.paint.bad("full") + ": new events get 503"
	}
	size := func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }
	table := o.table()
	fmt.Fprintf(table, "state\t%s\nused\t%s of a file of %s, and a log of %s\n", state, size(s.Used), size(s.File), size(s.Log))
	if s.Free > 0 {
		fmt.Fprintf(table, "disk\t%s free; new events need %s\n", humanize.IBytes(s.Free), humanize.IBytes(s.Floor))
	}
	fmt.Fprintf(table, "quarantine\t%s, %s\n", count(s.Quarantined, "entry", "entries"), size(s.Odd))
	if s.Failures > 0 {
		fmt.Fprintf(table, "failures\t%s; the store was reopened after each\n", humanize.Comma(s.Failures))
	}
	return flush(table)
}

func storeBackup() *cobra.Command {
	return &cobra.Command{
		Use:   "backup <file>",
		Short: "Writes a whole copy of the store while inboxgate works",
		Long: `
Writes a copy that holds all events which were answered before it began. The file
must not exist; it is named so only when it is whole and on disk. For a while the
data directory needs room for a second copy.

To restore it, stop inboxgate, put the file into an empty data directory as
spool.db, and start it again.`,
		Example: `  ` + programName() + ` store backup /backup/inbox-2026-03-01.db`,
		Args:    cobra.ExactArgs(1),
		RunE: operated(func(ctx context.Context, o *operator, args []string) error {
			n, err := o.backup(ctx, args[0])
			if err != nil {
				return err
			}
			if o.json != nil {
				return o.encode(struct {
					File  string `json:"file"`
					Bytes int64  `json:"bytes"`
				}{args[0], n})
			}
			return o.say("%s in %s. %q checks it.", humanize.IBytes(uint64(n)), cell(args[0]), programName()+" store check "+shellWord(args[0]))
		}),
	}
}

// backup fills path.part and then names it path.
func (o *operator) backup(ctx context.Context, path string) (n int64, err error) {
	if err := mustNotExist(path); err != nil {
		return 0, err
	}
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("%s is there: another backup is being written, or one broke off; remove it if none is", part)
	}
	if err != nil {
		return 0, fmt.Errorf("making the file: %w", err)
	}
	line := newProgress(o.cmd)
	err = o.client.Backup(ctx, f, func(done, whole int64) {
		n = done
		line.bytes(done, whole)
	})
	line.end()
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		// It may have come to be there meanwhile.
		if err = mustNotExist(path); err == nil {
			err = os.Rename(part, path)
		}
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(part))
	}
	return n, syncDirectory(filepath.Dir(path))
}

func mustNotExist(path string) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return fmt.Errorf("%s is there already: name a file that is not", path)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("looking for the file: %w", err)
	}
	return nil
}

// syncDirectory makes a new name durable.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		return fmt.Errorf("syncing the directory: %w", err)
	}
	return nil
}

func storeCompact() *cobra.Command {
	return &cobra.Command{
		Use:     "compact",
		Short:   "Gives the room of removed events back to the disk, while inboxgate works",
		Example: `  ` + programName() + ` store compact`,
		Args:    cobra.NoArgs,
		RunE: operated(func(ctx context.Context, o *operator, _ []string) error {
			line := newProgress(o.cmd)
			step, err := o.client.Compact(ctx, line.step)
			line.end()
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
