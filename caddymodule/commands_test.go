package caddymodule_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli"
)

// program is `caddy inbox` as it is registered, below a root like Caddy's.
func program() *cobra.Command {
	inbox := &cobra.Command{Use: cli.Group}
	caddycmd.Commands()[cli.Group].CobraFunc(inbox)
	root := &cobra.Command{Use: "caddy", SilenceUsage: true}
	root.AddCommand(inbox)
	return root
}

// subcommands are the names of the commands below `caddy inbox`.
func subcommands(t *testing.T) []string {
	t.Helper()
	inbox, _, err := program().Find([]string{cli.Group})
	if err != nil {
		t.Fatal(err)
	}
	return cli.Names(inbox)
}

func TestCommandsAreRegistered(t *testing.T) {
	t.Parallel()
	names := subcommands(t)
	for _, want := range []string{"dead", "demo", "emulator", "events", "health", "quarantine", "routes", "sign", "status", "store", "trigger", "verify", "webhooks"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %q", want, names)
			continue
		}
		var out bytes.Buffer
		root := program()
		root.SetOut(&out)
		root.SetArgs([]string{cli.Group, want, "--help"})
		if err := root.Execute(); err != nil || !strings.Contains(out.String(), "Examples:") {
			t.Errorf("%s --help: %v, %q", want, err, out.String())
		}
	}
}
