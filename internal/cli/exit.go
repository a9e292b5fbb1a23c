package cli

import (
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"
)

// Exit codes of the commands. 0 is success.
const (
	// exitFailed says that what was asked for failed, was refused, or was not found.
	exitFailed = 1
	// exitUsage says that the command was written wrongly; nothing was asked.
	exitUsage = 2
	// exitUnreachable says that no inboxgate answered.
	exitUnreachable = 3
)

const aboutExit = `
Exit codes: 0 done, 1 failed or not found, 2 wrong usage, 3 nobody answers.`

// usageError ends a command that was written wrongly, with exitUsage.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usage returns the error of a command that was written wrongly.
func usage(text string) error { return usageError{errors.New(text)} }

// Usagef is usage with a format.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// unreachableError ends a command that no inboxgate answers, with exitUnreachable.
type unreachableError struct{ error }

func (e unreachableError) Unwrap() error { return e.error }

// exitCode returns the code with which err ends a command.
func exitCode(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[unreachableError](err); ok {
		return exitUnreachable
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return exitUnreachable
	}
	return exitFailed
}

// exitError is an error together with the one in which the program finds the exit
// code.
type exitError struct {
	error
	code error // what Options.Exit returned
}

func (e exitError) Unwrap() []error { return []error{e.error, e.code} }

// ends returns err with its exit code. It prints err as cobra would, which would
// print the error with the code instead.
func (t *tree) ends(cmd *cobra.Command, err error) error {
	code := exitCode(err)
	if err == nil || code == exitFailed {
		return err
	}
	if !cmd.SilenceErrors {
		cmd.PrintErrln(cmd.ErrPrefix(), err.Error())
	}
	cmd.SilenceErrors = true
	return exitError{err, t.Exit(cmd, code)}
}

// exitCodes has cmd and the commands below it end with the codes above.
func (t *tree) exitCodes(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return t.ends(c, usageError{badFlag(err)}) })
	for _, c := range cmd.Commands() {
		t.exitCodes(c)
	}
	if args := cmd.Args; args != nil {
		cmd.Args = func(c *cobra.Command, given []string) error {
			if err := args(c, given); err != nil {
				return t.ends(c, usageError{err})
			}
			return nil
		}
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(c *cobra.Command, given []string) error { return t.ends(c, run(c, given)) }
	}
}
