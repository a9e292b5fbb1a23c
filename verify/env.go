package verify

import (
	"fmt"
	"log/slog"
	"os"
)

// The variables that FromEnv reads. The programs of inboxgate read the same.
const (
	// EnvSecret holds the secret, or several: see ParseSecrets.
	EnvSecret = "INBOX_WEBHOOK_SECRET"
	// EnvSecretFile is the path of a file that holds what EnvSecret would.
	EnvSecretFile = "INBOX_WEBHOOK_SECRET_FILE"
)

// FromEnv makes a Verifier of the secrets in the environment: those in
// INBOX_WEBHOOK_SECRET, or in the file that INBOX_WEBHOOK_SECRET_FILE names.
// The errors are those of EnvSecrets and of New; each says what to do. What only
// looks odd about a secret is logged as a warning by slog.Default, without it.
//
// A file is read once. A program takes up a rotated secret when it starts again,
// so start it while the file holds both the new secret and the old one.
func FromEnv() (*Verifier, error) {
	secrets, warnings, err := EnvSecrets(os.Getenv)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		slog.Warn("secret needs attention", "warning", "the secret of the environment "+w)
	}
	return New(secrets...)
}

// EnvSecrets returns the secrets that FromEnv uses, and the warnings, for those
// who look variables up by another function than os.Getenv. It returns
// ErrNoSecret where neither variable holds one, refuses a choice between two that
// are set, and otherwise has the errors of ParseSecrets.
func EnvSecrets(getenv func(string) string) (secrets []Secret, warnings []string, err error) {
	name, text, file := EnvSecret, getenv(EnvSecret), getenv(EnvSecretFile)
	if text != "" && file != "" {
		return nil, nil, fmt.Errorf("both %s and %s are set: unset one of them", EnvSecret, EnvSecretFile)
	}
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, fmt.Errorf("reading %s: %w", EnvSecretFile, err)
		}
		name, text = EnvSecretFile, string(raw)
	}
	secrets, warnings, err = ParseSecrets(name, text)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	case len(secrets) == 0:
		return nil, nil, notSetError{}
	}
	return secrets, warnings, nil
}

// notSetError is an ErrNoSecret whose text names the variables.
type notSetError struct{}

func (notSetError) Error() string {
	return fmt.Sprintf("no secret: set %s (or %s to the path of a file that holds it) to the webhook's secret, at least %d bytes long",
		EnvSecret, EnvSecretFile, MinSecret)
}

func (notSetError) Unwrap() error { return ErrNoSecret }
