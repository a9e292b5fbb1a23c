package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli"
	"github.com/inboxgate/inboxgate/internal/env"
)

// mountedCaddyfile replaces the built-in Caddyfile where it exists. Caddy's own
// image reads the same path. The linker may set another (-X).
var mountedCaddyfile = "/etc/caddy/Caddyfile"

// arguments turns what the user typed into what Caddy understands:
// `inboxgate sign` is `caddy inbox sign`, and nothing at all is `caddy run` with
// the mounted Caddyfile or else the built-in one.
func arguments(args []string) []string {
	if len(args) == 0 {
		return args
	}
	if len(args) > 1 {
		if slices.Contains(subcommands(), args[1]) {
			return slices.Insert(slices.Clone(args), 1, cli.Group)
		}
		// What a shell asks to complete the words of such a command.
		if completes := []string{cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}; len(args) > 3 &&
			slices.Contains(completes, args[1]) && slices.Contains(subcommands(), args[2]) {
			return slices.Insert(slices.Clone(args), 2, cli.Group)
		}
		if len(args) > 2 && args[1] == "help" && slices.Contains(subcommands(), args[2]) {
			return slices.Insert(slices.Clone(args), 2, cli.Group)
		}
		return args
	}
	// Only a missing file means that none is mounted. What is there and cannot
	// be read is an error for Caddy to tell.
	if _, err := os.Stat(mountedCaddyfile); errors.Is(err, fs.ErrNotExist) {
		return []string{args[0], "run", "--config", os.DevNull, "--adapter", adapterName}
	}
	return []string{args[0], "run", "--config", mountedCaddyfile, "--adapter", "caddyfile"}
}

// subcommands returns the names of the commands below cli.Group, which this program
// offers at its top level.
func subcommands() []string { return cli.Names(commandGroup()) }

// suggest writes the short commands that begin with the word a shell asks about;
// Caddy, which does not know them, adds its own.
func suggest(w io.Writer, args []string) {
	if len(args) != 3 || args[1] != cobra.ShellCompRequestCmd && args[1] != cobra.ShellCompNoDescRequestCmd {
		return
	}
	for _, name := range subcommands() {
		if _, caddys := caddycmd.Commands()[name]; !caddys && strings.HasPrefix(name, args[2]) {
			fmt.Fprintln(w, name)
		}
	}
}

// refuseUnknownCommand ends the process where these arguments name no command.
func refuseUnknownCommand(args []string) {
	if what := unknownCommand(args); what != "" {
		fmt.Fprintln(os.Stderr, "Error: "+what)
		os.Exit(2)
	}
}

// refuseWrongEnvironment ends the process before Caddy begins when these
// arguments use the built-in Caddyfile and the environment does not suffice.
func refuseWrongEnvironment(args []string) {
	if !slices.Contains(args, adapterName) {
		return
	}
	s, warnings, err := readEnvironment(os.Environ(), env.ReadSecrets)
	if err == nil && args[1] == "run" {
		keepPrivate()
		if s.Admin == "" {
			s.Admin = s.defaultAdmin()
		}
		if err = s.makeRoom(); err == nil {
			err = s.checkFree()
		}
	}
	if err == nil {
		return // Caddy logs the warnings.
	}
	fmt.Fprint(os.Stderr, complaint(warnings, err))
	os.Exit(1)
}

// complaint says in words what is wrong and what to do.
func complaint(warnings []string, err error) string {
	var b strings.Builder
	b.WriteString("inboxgate cannot start, and nothing has been started. Its environment needs a change:\n")
	for _, e := range mistakes(err) {
		fmt.Fprintf(&b, "  - %s\n", e)
	}
	for _, w := range warnings {
		fmt.Fprintf(&b, "  - %s\n", w)
	}
	fmt.Fprintf(&b, "`inboxgate help` lists all variables. A Caddyfile at %s replaces them.\n", mountedCaddyfile)
	return b.String()
}

// mistakes takes a joined error apart.
func mistakes(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
