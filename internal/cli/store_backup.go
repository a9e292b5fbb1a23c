package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
)

func (t *tree) storeBackup() *cobra.Command {
	return &cobra.Command{
		Use:   "backup <file>|-",
		Short: "Writes a whole copy of the store while inboxgate works",
		Long: `
Writes a copy that holds all events which were answered before it began. The file
must not exist; it is named so only when it is whole and on disk. "-" writes to the
standard output instead, so that a copy can leave a container: it is whole only if
the exit code is 0.

For a while the data directory needs room for a second copy. Where that would leave
new events too little, it is refused. One backup runs at a time.

To restore it, stop inboxgate, put the file into an empty data directory as
spool.db, and start it again.`,
		Example: `  ` + t.Program + ` store backup /backup/inbox-2026-03-01.db
  kubectl exec inboxgate-0 -- inboxgate store backup - > inbox-2026-03-01.db`,
		Args: cobra.ExactArgs(1),
		RunE: t.operated(func(ctx context.Context, o *operator, args []string) error {
			if args[0] == "-" {
				return o.backupOut(ctx)
			}
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
			return o.say("%s in %s. %q checks it.", humanize.IBytes(uint64(n)), term.Cell(args[0]), t.Program+" store check "+term.ShellWord(args[0]))
		}),
	}
}

// backupOut writes a copy to the standard output, and what the user reads to the
// standard error.
func (o *operator) backupOut(ctx context.Context) error {
	out := o.cmd.OutOrStdout()
	if f, ok := out.(*os.File); ok && term.IsTerminal(f) {
		return usage("the standard output is a terminal, and a copy is no text: send it into a file (> inbox.db) or a pipe")
	}
	n := int64(0)
	line := term.NewProgress(o.cmd.ErrOrStderr())
	err := o.client.Backup(ctx, out, func(done, whole int64) {
		n = done
		line.ShowBytes(done, whole)
	})
	line.End()
	if err != nil {
		return fmt.Errorf("the copy on the standard output is not whole: %w", err)
	}
	fmt.Fprintf(o.cmd.ErrOrStderr(), "%s written. %q checks the file they are in.\n", humanize.IBytes(uint64(n)), o.program+" store check <file>")
	return nil
}

// backup writes a copy to path.part, and names it path when it is whole and on disk.
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
	line := term.NewProgress(o.cmd.ErrOrStderr())
	err = o.client.Backup(ctx, f, func(done, whole int64) {
		n = done
		line.ShowBytes(done, whole)
	})
	line.End()
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		// Another process may have made it meanwhile.
		if err = mustNotExist(path); err == nil {
			err = os.Rename(part, path)
		}
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(part))
	}
	return n, syncDirectory(filepath.Dir(path))
}

// mustNotExist returns an error if there is a file of that name.
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
