package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

// addStore adds the flag that reads a store without an inboxgate.
func addStore(cmd *cobra.Command) {
	cmd.Flags().String("store", "", "read this data directory, or this copy of a store, while no inboxgate has it; nothing is written")
}

// openStore has the operator ask a store that no process uses, and that none can open
// until the command ends.
func (o *operator) openStore(path, admin string) error {
	if path == "" {
		return nil
	}
	if admin != "" {
		return usage("--admin asks an inboxgate that runs, and --store reads a store that none has: give one of them")
	}
	still, err := sqlite.OpenOffline(path)
	if errors.Is(err, sqlite.ErrInUse) {
		return fmt.Errorf("%w: leave out --store and ask that one, or stop it first", err)
	}
	if err != nil {
		return err
	}
	o.client, o.close = control.NewReader(still), still.Close
	return nil
}
