package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/verify"
)

const secretFileFlag = "secret-file"

// addSecretFile adds the flag that names a file of secrets.
func addSecretFile(cmd *cobra.Command) {
	cmd.Flags().String(secretFileFlag, "", "read the secret from this file (default: "+env.Secret+", or the file that "+env.SecretFile+" names)")
	_ = cmd.MarkFlagFilename(secretFileFlag)
}

// commandSecrets returns the secrets that a command works with. It refuses those
// with which inboxgate would not start.
func commandSecrets(cmd *cobra.Command) ([]string, error) {
	values, err := secretValues(cmd)
	if err != nil {
		return nil, err
	}
	if _, err := verify.New(keysOf(values)...); err != nil {
		return nil, usageError{err}
	}
	return values, nil
}

// secretValues reads the secrets from the file of --secret-file, or else from the
// environment.
func secretValues(cmd *cobra.Command) ([]string, error) {
	path, err := cmd.Flags().GetString(secretFileFlag)
	if err != nil {
		return nil, err
	}
	if path == "" {
		values, err := env.ReadSecrets()
		if err != nil {
			return nil, usageError{err}
		}
		return values, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, Usagef("reading --%s: %w", secretFileFlag, err)
	}
	values, odd, err := verify.ParseSecrets("secret", string(raw))
	if err != nil {
		return nil, Usagef("--%s: %w", secretFileFlag, err)
	}
	for _, what := range odd {
		cmd.PrintErrln("warning: the secret " + what)
	}
	if len(values) == 0 {
		return nil, Usagef("no secret in %s: put the webhook's secret into it, at least %d bytes long", path, verify.MinSecret)
	}
	return env.Texts(values), nil
}

// secretOrigin returns where secretValues reads the secrets.
func secretOrigin(cmd *cobra.Command) string {
	if path, _ := cmd.Flags().GetString(secretFileFlag); path != "" {
		return "--" + secretFileFlag + " " + path
	}
	if os.Getenv(env.SecretFile) != "" {
		return env.SecretFile
	}
	return env.Secret
}

// keysOf returns the secrets as verify takes them.
func keysOf(values []string) []verify.Secret {
	keys := make([]verify.Secret, len(values))
	for i, v := range values {
		keys[i] = verify.Key(v)
	}
	return keys
}
