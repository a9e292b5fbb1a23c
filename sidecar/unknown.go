package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli"
	"github.com/inboxgate/inboxgate/internal/nearest"
)

// unknownCommand returns what is wrong with a command line, or with the topic of
// `help`, that names no command, and "" if it names one. Cobra would suggest only
// Caddy's commands, and would print its help for an unknown topic and report success.
func unknownCommand(args []string) string {
	if len(args) < 2 {
		return ""
	}
	what, words := "command", args[1:]
	if words[0] == "help" {
		what, words = "help topic", words[1:]
	}
	if len(words) == 0 || strings.HasPrefix(words[0], "-") || strings.HasPrefix(words[0], cobra.ShellCompRequestCmd) {
		return ""
	}
	group := commandGroup()
	if theirs := caddyNames(); words[0] != cli.Group {
		if slices.Contains(theirs, words[0]) {
			return ""
		}
		return unknown(what, words[0], intended(group, words[0], append(cli.Names(group), theirs...)))
	}
	if what == "command" {
		return "" // The tree says it itself.
	}
	cmd, rest, err := group.Find(words[1:])
	if err != nil || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return ""
	}
	path := slices.DeleteFunc(slices.Clone(words[1:]), func(w string) bool { return slices.Contains(rest, w) })
	near := ""
	if word := intended(cmd, rest[0], cli.Names(cmd)); word != "" {
		near = strings.Join(append(path, word), " ")
	}
	return unknown(what, strings.Join(words[1:], " "), near)
}

// unknown returns the sentence, with near as what may have been meant.
func unknown(what, word, near string) string {
	if near == "" {
		return fmt.Sprintf("unknown %s %q: `inboxgate help` lists all commands", what, word)
	}
	return fmt.Sprintf("unknown %s %q; did you mean %q?", what, word, near)
}

// intended returns the command that word was probably meant to be: one below those of
// parent that has this very name, or else the nearest of names.
func intended(parent *cobra.Command, word string, names []string) string {
	near := nearest.Word(word, names)
	if nearest.Distance(word, near)*2 > len(word) || slices.Contains(names, word) {
		near = "" // Of a short word everything is near.
	}
	var below []string
	for _, c := range parent.Commands() {
		if slices.Contains(cli.Names(c), word) {
			below = append(below, c.Name()+" "+word)
		}
	}
	return cmp.Or(strings.Join(below, "\" or \""), near)
}

// commandGroup returns the command cli.Group with those below it.
func commandGroup() *cobra.Command {
	group := &cobra.Command{Use: cli.Group}
	caddycmd.Commands()[cli.Group].CobraFunc(group)
	return group
}

// caddyNames returns the names of Caddy's commands, with cobra's own.
func caddyNames() []string {
	names := []string{"help", "completion"}
	for name := range caddycmd.Commands() {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
