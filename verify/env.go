package verify

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The variables that FromEnv reads. The programs of inboxgate read the same.
const (
	// EnvSecret holds the secret, or several: see SplitSecrets.
	EnvSecret = "INBOX_WEBHOOK_SECRET"
	// EnvSecretFile is the path of a file that holds what EnvSecret would.
	EnvSecretFile = "INBOX_WEBHOOK_SECRET_FILE"
)

// FromEnv makes a Verifier of the secrets in the environment: those in
// INBOX_WEBHOOK_SECRET, or in the file that INBOX_WEBHOOK_SECRET_FILE names.
// The errors are those of EnvSecrets and of New; each says what to do.
//
// A file is read once. A program takes up a rotated secret when it starts again,
// so start it while the file holds both the new secret and the old one.
func FromEnv() (*Verifier, error) {
	secrets, err := EnvSecrets(os.Getenv)
	if err != nil {
		return nil, err
	}
	return New(secrets...)
}

// EnvSecrets returns the secrets that FromEnv uses, in their order, for those
// who look variables up by another function than os.Getenv. It does not judge
// how long they are: New does. It returns ErrNoSecret where neither variable
// holds one, and refuses a choice between two that are set.
func EnvSecrets(getenv func(string) string) ([]Secret, error) {
	text, file := getenv(EnvSecret), getenv(EnvSecretFile)
	if text != "" && file != "" {
		return nil, fmt.Errorf("both %s and %s are set: unset one of them", EnvSecret, EnvSecretFile)
	}
	name := EnvSecret
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", EnvSecretFile, err)
		}
		text, name = string(raw), EnvSecretFile
	}
	values := SplitSecrets(text)
	if len(values) == 0 {
		return nil, notSet{}
	}
	secrets := make([]Secret, len(values))
	for i, v := range values {
		secrets[i] = Secret{Key: []byte(v), Label: name}
		if len(values) > 1 {
			secrets[i].Label += "/" + strconv.Itoa(i+1)
		}
	}
	return secrets, nil
}

// SplitSecrets takes the several secrets out of one text: one a line, or in one
// line separated by commas, if every part is then at least MinSecret bytes long;
// else a comma belongs to the secret. White space around a comma, the end of
// each line and blank lines do not count.
func SplitSecrets(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 {
		return lines
	}
	parts := strings.Split(lines[0], ",")
	for i, p := range parts {
		parts[i] = strings.TrimSpace(p)
		if len(parts[i]) < MinSecret {
			return lines
		}
	}
	return parts
}

// notSet is an ErrNoSecret whose text names the variables.
type notSet struct{}

func (notSet) Error() string {
	return fmt.Sprintf("no secret: set %s (or %s to the path of a file that holds it) to the webhook's secret, at least %d bytes long",
		EnvSecret, EnvSecretFile, MinSecret)
}

func (notSet) Unwrap() error { return ErrNoSecret }
