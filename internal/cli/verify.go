package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/diagnose"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/verify"
)

func (t *tree) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify --signature <value> [<file>]",
		Short: "Checks the signature of a body, and explains a mismatch",
		Long: `
Checks whether a body was signed by one of the secrets, as inboxgate does, and
says by which. If it was not, the command tries what usually goes wrong on the
way (a newline at the end, a body written anew by a JSON parser, a signature
cut or in another notation, a secret with a newline or in quotes, …) and says
what it found and how to put it right. It prints neither secret nor body.

The body is read from the file, or from stdin if there is none or it is "-".
The secrets come from ` + env.Secret + ` (several: one a line, or separated by
commas), from the file that ` + env.SecretFile + ` names, or from --secret-file.

The exit code is 0 if the signature is valid and 1 if it is not.`,
		Example: `  ` + t.Program + ` verify --signature sha256=5f2b… body.json`,
		Args:    cobra.MaximumNArgs(1),
		RunE:    t.runVerify,
	}
	addSecretFile(cmd)
	cmd.Flags().String("signature", "", "value of the "+verify.Header+" header (required)")
	return cmd
}

func (t *tree) runVerify(cmd *cobra.Command, args []string) error {
	signature, err := cmd.Flags().GetString("signature")
	if err != nil {
		return err
	}
	if !cmd.Flags().Changed("signature") {
		return Usagef("no signature: give the value of the request's %s header with --signature", verify.Header)
	}
	secrets, err := commandSecrets(cmd)
	if err != nil {
		return err
	}
	body, err := readBody(cmd, args)
	if err != nil {
		return err
	}
	v, err := verify.New(keysOf(secrets)...)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	paint := term.PaletteFor(out)
	match, err := v.Verify(body, signature)
	if err == nil {
		_, err = fmt.Fprintf(out, "%s: signed with secret %d of %d\n", paint.Good("valid"), match.Index+1, len(secrets))
		return err
	}
	if err := explain(out, paint, err, diagnose.Explain(body, signature, secrets, t.Program)); err != nil {
		return err
	}
	return reported(cmd)
}

// explain prints the verdict and what may have caused it.
func explain(out io.Writer, paint term.Palette, verdict error, findings []diagnose.Finding) error {
	what := verdict.Error()
	if errors.Is(verdict, verify.ErrMismatch) {
		what = "the signature is not that of this body"
	}
	if _, err := fmt.Fprintf(out, "%s: %s\n", paint.Bad("invalid"), what); err != nil {
		return err
	}
	for _, f := range findings {
		if _, err := fmt.Fprintf(out, "  %s %s\n", paint.Bold("cause:"), f.Cause); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "  %s   %s\n", paint.Bold("fix:"), f.Fix); err != nil {
			return err
		}
	}
	return nil
}
