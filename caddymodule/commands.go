package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli"
	"github.com/inboxgate/inboxgate/internal/demo"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:      cli.Group,
		Usage:     "<command>",
		Short:     "Commands for the webhooks of the Inbox platform",
		Long:      cli.Long,
		CobraFunc: mountCommands,
	})
}

// mountCommands adds the commands to the one that Caddy has made of them.
func mountCommands(parent *cobra.Command) {
	cli.Mount(parent, cli.Options{
		Program:      programName(),
		DefaultAdmin: caddy.DefaultAdminListen,
		DataDir:      defaultDataDir(),
		Version:      versions(),
		Exit:         exitWith,
		More:         []*cobra.Command{demo.Command()},
	})
}

// programName returns how the user of this program starts a command of the tree.
func programName() string { return cli.ProgramName(caddy.CustomBinaryName) }

// exitWith returns an error in which Caddy's main function finds the exit code.
func exitWith(cmd *cobra.Command, code int) error {
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(cmd, nil)
}
