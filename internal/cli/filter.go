package cli

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/nearest"
)

// addFilter adds the flags of a list's filter, but some.
func (t *tree) addFilter(cmd *cobra.Command, list control.Lists, but ...string) {
	for _, w := range control.Words(list) {
		if slices.Contains(but, w.Name) {
			continue
		}
		t.addWord(cmd, w, list)
	}
}

// addOnly adds one flag of an event's filter.
func (t *tree) addOnly(cmd *cobra.Command, name string) {
	for _, w := range control.Words(control.OfEvents) {
		if w.Name == name {
			t.addWord(cmd, w, control.OfEvents)
		}
	}
}

func (t *tree) addWord(cmd *cobra.Command, w control.Word, list control.Lists) {
	help := "only events " + w.Help
	if list == control.OfQuarantine {
		help = "only entries " + w.Help
	}
	flag := w.Flag()
	cmd.Flags().String(flag, "", help)
	switch w.Name {
	case "type":
		completes(cmd, flag, event.Types()...)
	case "route", "source":
		_ = cmd.RegisterFlagCompletionFunc(flag, t.completeRoutes(w.Name == "source"))
	default:
		completes(cmd, flag, w.Values...)
	}
}

// readFilter returns the filter that the flags of cmd describe.
func readFilter(cmd *cobra.Command) (f control.Filter, err error) {
	now := time.Now()
	for _, w := range control.AllWords() {
		text, err := wordOf(cmd, w.Flag())
		if err != nil {
			return f, err
		}
		if text == "" {
			continue
		}
		if err := w.Set(&f, text, now); err != nil {
			return f, badWord(w, err)
		}
	}
	if f.Inverted() {
		since, _ := wordOf(cmd, "since")
		until, _ := wordOf(cmd, "until")
		return f, Usagef("--since is not before --until, which chooses nothing: write --since %s --until %s", term.ShellWord(until), term.ShellWord(since))
	}
	if f.Type == "" {
		return f, nil
	}
	for _, typ := range control.Types(f.Type) {
		if err := checkTypeName("type", typ); err != nil && !strings.HasSuffix(typ, "*") {
			return f, err
		}
	}
	return f, nil
}

// badWord returns the error of a flag, with the value that was meant if one is near.
func badWord(w control.Word, err error) error {
	var unknown *control.UnknownValueError
	if errors.As(err, &unknown) {
		if near := nearest.Word(unknown.Text, unknown.Values); near != "" {
			return Usagef("--%s: unknown %s %q; did you mean %q?", w.Flag(), unknown.Word, unknown.Text, near)
		}
	}
	return Usagef("--%s: %w", w.Flag(), err)
}
