package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (t *tree) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Prints the version of inboxgate, and that of Caddy",
		Long: `
Prints the version of inboxgate with the revision of its source, where the build
kept one, and the version of Caddy. Of an inboxgate that runs, status tells it.
`,
		Example: `  ` + t.Program + ` version`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), t.Version)
			return err
		},
	}
}
