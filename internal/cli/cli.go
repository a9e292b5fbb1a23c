// Package cli is inboxgate's command tree: commands with which an operator asks a
// running instance, and commands that do a developer's part of the platform.
//
// Each file named after a command holds it. What they share: operator.go is one run
// of a command that asks an instance, finder.go finds that instance, offline.go reads
// a store without one; filter.go and bulk.go choose and change many events; printer.go
// writes text or JSON; exit.go gives errors their exit codes.
//
// Guarantee: an error is one line that ends in the fix, and the exit code is one
// for wrong usage, one for a failure, and one for an instance that does not answer. Text from the API or
// the platform reaches a terminal without control characters. A secret is never an
// argument.
//
// Limits: it knows no Caddy. The program that it is mounted in gives its own name,
// its defaults and how it exits.
package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/nearest"
)

const (
	// Group is the command of Caddy below which the tree hangs.
	Group = "inbox"
	// Sidecar is the program that offers the tree at its top level as well.
	Sidecar = "inboxgate"
)

// Long is the help text of the command Group.
const Long = `
Register webhooks, sign and verify bodies, send test events, and see inboxgate
at work:

  demo      the whole story on this machine, in seconds
  emulator  a small Inbox platform on this machine, which signs and retries
  webhooks  register webhooks with the platform, test them and read their logs
  trigger   post realistic signed events to a URL
  sign      print the signature of a body
  verify    check the signature of a body, and explain a mismatch
  version   which inboxgate, and which Caddy, this is

Look after an inboxgate that runs:

  health      whether it lives, or is ready for events
  status      how it is, on one screen
  dashboard   the same and more, in a browser
  routes      how each route is; hold, resume and retry it
  events      find, show, follow, replay and export events
  dead        list dead letters, send them again or let them go
  quarantine  decide about signed bodies that were no usable events
  store       how the store is and who shares it; back it up, check, compact it

The secret is never an argument, because the list of processes shows
arguments to everybody on the machine. It is read from ` + env.Secret + `,
from the file that ` + env.SecretFile + ` names, or from --secret-file. In the
same way the API key is read from ` + env.APIKey + ` or ` + env.APIKeyFile + `.
` + aboutExit

// Options say what the commands have to know of the program that they are mounted in.
type Options struct {
	// Program is how the user starts a command of the tree: see ProgramName.
	Program string
	// DefaultAdmin is the address of the operator's API where no other is found.
	DefaultAdmin string
	// DataDir is where the store is unless the environment says otherwise.
	DataDir string
	// Version is what the command version prints.
	Version string
	// Exit returns an error that ends the program with that code.
	Exit func(cmd *cobra.Command, code int) error
	// More are further commands of the tree.
	More []*cobra.Command
}

// tree makes the commands of one program.
type tree struct{ Options }

// Mount adds the commands to parent, which is the command Group.
func Mount(parent *cobra.Command, o Options) {
	t := &tree{o}
	parent.AddCommand(o.More...)
	parent.AddCommand(t.emulatorCommand(), t.triggerCommand(), t.webhooksCommand(), t.signCommand(), t.verifyCommand(),
		t.versionCommand(), t.healthCommand(), t.statusCommand(), t.dashboardCommand(), t.routesCommand(), t.eventsCommand(), t.deadCommand(), t.quarantineCommand(), t.storeCommand())
	silenceUsage(parent)
	needSubcommand(parent)
	t.exitCodes(parent)
	ownHelp(parent)
}

// ProgramName returns how the user starts a command of the tree in the program of
// that name; the empty name is Caddy's own.
func ProgramName(binary string) string {
	switch binary {
	case Sidecar:
		return binary
	case "":
		return "caddy " + Group
	default:
		return binary + " " + Group
	}
}

// silenceUsage keeps the error of each command to one line: cobra would print the
// usage as well.
func silenceUsage(cmd *cobra.Command) {
	cmd.SilenceUsage = true
	for _, c := range cmd.Commands() {
		silenceUsage(c)
	}
}

// needSubcommand has parent refuse an unknown command. Cobra itself takes one below
// the root for an argument, prints the help and reports success.
func needSubcommand(parent *cobra.Command) {
	parent.Args = cobra.ArbitraryArgs
	parent.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		names := Names(parent)
		if near := nearest.Word(args[0], names); near != "" {
			return Usagef("unknown command %q; did you mean %q?", args[0], near)
		}
		return Usagef("unknown command %q; there are %s", args[0], strings.Join(names, ", "))
	}
}

func init() {
	cobra.AddTemplateFunc("typed", typed) // Cobra keeps one list for the process.
}

// ownHelp has help texts show commands as the sidecar's user types them, and leaves
// out the address of Caddy's documentation, which describes none of them.
func ownHelp(parent *cobra.Command) {
	text := strings.NewReplacer("{{.UseLine}}", "{{typed .UseLine}}", "{{.CommandPath}}", "{{typed .CommandPath}}").Replace(parent.UsageTemplate())
	parent.SetUsageTemplate(text)
	parent.SetHelpTemplate(parent.HelpTemplate())
}

// typed returns the path of a command as its user types it: the sidecar adds Group,
// which is left out again.
func typed(path string) string {
	if rest, ok := strings.CutPrefix(path, Sidecar+" "+Group+" "); ok {
		return Sidecar + " " + rest
	}
	return path
}

// Names returns the names of the commands right below parent.
func Names(parent *cobra.Command) (names []string) {
	for _, c := range parent.Commands() {
		names = append(names, c.Name())
	}
	return names
}

// errReported ends a command whose output says already what is wrong.
var errReported = errors.New("failed, as told above")

// reported returns the error of such a command, which prints nothing more.
func reported(cmd *cobra.Command) error {
	cmd.SilenceErrors = true
	return errReported
}
