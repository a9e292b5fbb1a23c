package caddymodule

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/nearest"
	"github.com/inboxgate/inboxgate/verify"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  appID,
		Usage: "<command>",
		Short: "Commands for the webhooks of the Inbox platform",
		Long: `
Register webhooks, sign and verify bodies, send test events, and see inboxgate
at work:

  demo      the whole story on this machine, in seconds
  emulator  a small Inbox platform on this machine, which signs and retries
  webhooks  register webhooks with the platform, test them and read their logs
  trigger   post realistic signed events to a URL
  sign      print the signature of a body
  verify    check the signature of a body, and explain a mismatch

Look after an inboxgate that runs:

  health      whether it lives, or is ready for events
  status      how it is, on one screen
  routes      how each route is; hold and resume it
  events      find, show, follow, replay and export events
  dead        list dead letters, send them again or let them go
  quarantine  decide about signed bodies that were no usable events
  store       how the store is; back it up, check and compact it

The secret is never an argument, because the list of processes shows
arguments to everybody on the machine. It is read from ` + env.Secret + `,
from the file that ` + env.SecretFile + ` names, or from --secret-file. In the
same way the API key is read from ` + env.APIKey + ` or ` + env.APIKeyFile + `.
` + aboutExit,
		CobraFunc: commandTree,
	})
}

// Subcommands names the commands of `caddy inbox`, for a program that wants to
// offer them at its top level.
func Subcommands() []string {
	var parent cobra.Command
	commandTree(&parent)
	return commandNames(&parent)
}

func commandTree(parent *cobra.Command) {
	parent.AddCommand(demoCommand(), emulatorCommand(), triggerCommand(), webhooksCommand(), signCommand(), verifyCommand(),
		healthCommand(), statusCommand(), routesCommand(), eventsCommand(), deadCommand(), quarantineCommand(), storeCommand())
	silenceUsage(parent)
	needSubcommand(parent)
	exitCodes(parent)
	ownHelp(parent)
}

// silenceUsage keeps an error to one line, at every depth.
func silenceUsage(cmd *cobra.Command) {
	cmd.SilenceUsage = true
	for _, c := range cmd.Commands() {
		silenceUsage(c)
	}
}

// needSubcommand refuses an unknown command. Left alone, cobra takes one below
// the root for an argument and prints the help as if all were well.
func needSubcommand(parent *cobra.Command) {
	parent.Args = cobra.ArbitraryArgs
	parent.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		names := commandNames(parent)
		if near := nearest.Word(args[0], names); near != "" {
			return usagef("unknown command %q; did you mean %q?", args[0], near)
		}
		return usagef("unknown command %q; there are %s", args[0], strings.Join(names, ", "))
	}
}

func init() {
	cobra.AddTemplateFunc("typed", typed) // Cobra keeps them for the process.
}

// ownHelp shows the commands as the sidecar's user types them, and leaves out
// the address of Caddy's documentation, which has none of them.
func ownHelp(parent *cobra.Command) {
	text := strings.NewReplacer("{{.UseLine}}", "{{typed .UseLine}}", "{{.CommandPath}}", "{{typed .CommandPath}}").Replace(parent.UsageTemplate())
	parent.SetUsageTemplate(text)
	parent.SetHelpTemplate(parent.HelpTemplate())
}

// typed is a command path without the word that the sidecar adds.
func typed(path string) string {
	if rest, ok := strings.CutPrefix(path, sidecarName+" "+appID+" "); ok {
		return sidecarName + " " + rest
	}
	return path
}

func commandNames(parent *cobra.Command) (names []string) {
	for _, c := range parent.Commands() {
		names = append(names, c.Name())
	}
	return names
}

// errTold ends a command whose output has said already what is wrong.
var errTold = errors.New("failed, as told above")

func told(cmd *cobra.Command) error {
	cmd.SilenceErrors = true
	return errTold
}

const secretFileFlag = "secret-file"

func addSecretFile(cmd *cobra.Command) {
	cmd.Flags().String(secretFileFlag, "", "read the secret from this file (default: "+env.Secret+", or the file that "+env.SecretFile+" names)")
	_ = cmd.MarkFlagFilename(secretFileFlag)
}

// commandSecrets reads the secrets a command works with. It refuses those that
// inboxgate would refuse to start with.
func commandSecrets(cmd *cobra.Command) ([]string, error) {
	values, err := secretValues(cmd)
	if err != nil {
		return nil, err
	}
	if _, err := verify.New(keysOf(values)...); err != nil {
		return nil, err
	}
	return values, nil
}

func secretValues(cmd *cobra.Command) ([]string, error) {
	path, err := cmd.Flags().GetString(secretFileFlag)
	if err != nil {
		return nil, err
	}
	if path == "" {
		return env.ReadSecrets()
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading --%s: %w", secretFileFlag, err)
	}
	values, odd, err := verify.ParseSecrets("secret", string(raw))
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", secretFileFlag, err)
	}
	for _, what := range odd {
		cmd.PrintErrln("warning: the secret " + what)
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("no secret in %s: put the webhook's secret into it, at least %d bytes long", path, verify.MinSecret)
	}
	return env.Texts(values), nil
}

func keysOf(values []string) []verify.Secret {
	keys := make([]verify.Secret, len(values))
	for i, v := range values {
		keys[i] = verify.Key(v)
	}
	return keys
}

// sidecarName is the program that offers these commands at its top level.
const sidecarName = "inboxgate"

// programName is how the user of this program starts a command of the tree.
func programName() string {
	switch name := caddy.CustomBinaryName; name {
	case sidecarName:
		return name
	case "":
		return "caddy " + appID
	default:
		return name + " " + appID
	}
}
