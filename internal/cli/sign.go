package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/verify"
)

func (t *tree) signCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sign [<file>]",
		Short: "Prints the signature of a body",
		Long: `
Prints the value that the platform's ` + verify.Header + ` header has for a body:
"sha256=" and the HMAC-SHA256 of its bytes as 64 hex digits.

The body is read from the file, or from stdin if there is none or it is "-".
Every byte counts: a newline at the end is part of the body.

The secret comes from ` + env.Secret + ` (of several the first), from the file
that ` + env.SecretFile + ` names, or from --secret-file. There is no flag for
the secret itself: the list of processes would show it to everybody.`,
		Example: `  printf '{"id":"evt_1"}' | ` + t.Program + ` sign
  curl --data-binary @body.json -H "$(` + t.Program + ` sign --header body.json)" \
    -H 'Content-Type: application/json' http://127.0.0.1:8080/webhooks/inbox`,
		Args: cobra.MaximumNArgs(1),
		RunE: t.runSign,
	}
	addSecretFile(cmd)
	cmd.Flags().Bool("header", false, "print the whole header line, as curl -H takes it")
	return cmd
}

func (t *tree) runSign(cmd *cobra.Command, args []string) error {
	header, err := cmd.Flags().GetBool("header")
	if err != nil {
		return err
	}
	secrets, err := commandSecrets(cmd)
	if err != nil {
		return err
	}
	body, err := readBody(cmd, args)
	if err != nil {
		return err
	}
	signature := verify.Sign([]byte(secrets[0]), body)
	if header {
		signature = verify.Header + ": " + signature
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), signature)
	return err
}
