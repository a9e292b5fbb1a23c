package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// addFormat adds --format to a command and to those below it.
func addFormat(cmd *cobra.Command) {
	cmd.PersistentFlags().String("format", "text", "text, or json for one object a line")
	completes(cmd, "format", "text", "json")
}

// completes has a shell complete the value of a flag with one of words.
func completes(cmd *cobra.Command, flag string, words ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// formatOf reports whether --format asks for JSON.
func formatOf(cmd *cobra.Command) (asJSON bool, err error) {
	switch format, _ := cmd.Flags().GetString("format"); format {
	case "text":
		return false, nil
	case "json":
		return true, nil
	default:
		return false, Usagef("--format is %q: say text or json", format)
	}
}

// wordOf returns the value of a flag, or "" if the command does not have it. An
// empty value is refused: in a script it is a variable that was never set, and would
// choose every event.
func wordOf(cmd *cobra.Command, name string) (string, error) {
	flag := cmd.Flags().Lookup(name)
	if flag == nil {
		return "", nil
	}
	if text := flag.Value.String(); text != "" || !flag.Changed {
		return text, nil
	}
	return "", Usagef("--%s is empty: give a value, or leave it out", name)
}

// badFlag returns the error of a flag whose value cannot be read, with what to give.
func badFlag(err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return err
	}
	want := map[string]string{
		"uint": "a whole number from 0 up, for example 50", "int": "a whole number, for example 50",
		"float64": "a number, for example 2.5", "duration": "a duration, for example 30s",
	}[bad.GetFlag().Value.Type()]
	if want == "" {
		return err
	}
	return fmt.Errorf("--%s is %q: give %s", bad.GetFlag().Name, bad.GetValue(), want)
}

// addLimit adds --limit, which must not be negative.
func addLimit(cmd *cobra.Command, byDefault int, help string) {
	cmd.Flags().Uint("limit", uint(byDefault), help)
}

// limitOf returns the value of --limit; 0 is none.
func limitOf(cmd *cobra.Command) int {
	n, _ := cmd.Flags().GetUint("limit")
	return int(min(n, 1<<30))
}

// addReveal adds --reveal.
func addReveal(cmd *cobra.Command) {
	cmd.Flags().Bool("reveal", false, "show phone numbers and signatures instead of masking them")
}

// revealed reports whether --reveal is set.
func revealed(cmd *cobra.Command) bool {
	yes, _ := cmd.Flags().GetBool("reveal")
	return yes
}

// oneRef accepts one argument, the id or the number of one thing; what names it in
// the error.
func oneRef(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && args[0] != "" {
			return nil
		}
		return fmt.Errorf("%d arguments: give %s, as %q shows it", len(args), what, typed(cmd.Parent().CommandPath())+" list")
	}
}

// NoArgs accepts no argument. Cobra's own calls the argument an unknown command.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("unexpected %q: %s takes no argument, and --help lists its flags", args[0], typed(cmd.CommandPath()))
}
