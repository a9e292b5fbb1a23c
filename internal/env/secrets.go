package env

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/inboxgate/inboxgate/verify"
)

// MinSecret is how many bytes a secret or a token has at least.
const MinSecret = verify.MinSecret

// BothSetError reports that the environment gives a value twice.
type BothSetError struct{ Value, File string }

// Error implements error.
func (e BothSetError) Error() string {
	return fmt.Sprintf("both %s and %s are set: unset one of them", e.Value, e.File)
}

// ReadSecrets reads the webhook's secrets from Secret, or from the file that
// SecretFile names.
func ReadSecrets() ([]string, error) {
	secrets, _, err := verify.EnvSecrets(os.Getenv)
	return Texts(secrets), err
}

// Texts returns the secrets as they are written.
func Texts(secrets []verify.Secret) (texts []string) {
	for _, s := range secrets {
		texts = append(texts, string(s.Key))
	}
	return texts
}

// ReadAdminToken reads the token of the operator's API from AdminToken, or from
// the file that AdminTokenFile names. None is no error.
func ReadAdminToken() (string, error) {
	value, file := os.Getenv(AdminToken), os.Getenv(AdminTokenFile)
	switch {
	case value != "" && file != "":
		return "", BothSetError{AdminToken, AdminTokenFile}
	case file != "":
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", AdminTokenFile, err)
		}
		return CheckToken(AdminTokenFile, string(raw))
	case value != "":
		return CheckToken(AdminToken, value)
	}
	return "", nil
}

// CheckToken returns the token that a text holds. It refuses one that could be
// guessed, or that no header can carry; name says in the error where it stands.
func CheckToken(name, text string) (string, error) {
	token, err := oneToken(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if len(token) < MinSecret {
		return "", fmt.Errorf("%s has %d bytes: give at least %d, for example the output of `openssl rand -hex 24`", name, len(token), MinSecret)
	}
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return "", fmt.Errorf("%s holds bytes that no header can carry: use letters and digits", name)
		}
	}
	return token, nil
}

// oneToken returns the one token that a text holds, or "" if it holds none.
// Nobody chooses a token with marks around it, so what is only odd about a secret
// is an error here.
func oneToken(text string) (string, error) {
	tokens, odd, err := verify.ParseSecrets("token", text)
	switch {
	case err != nil:
		return "", err
	case len(tokens) == 0:
		return "", nil
	case len(tokens) > 1:
		return "", fmt.Errorf("it holds %d values: leave only the token", len(tokens))
	case len(odd) > 0:
		return "", fmt.Errorf("it %s", odd[0])
	}
	return string(tokens[0].Key), nil
}

// ReadAPIKey reads the key of the platform's API from APIKey, or from the file
// that APIKeyFile names. None is no error.
func ReadAPIKey() (string, error) {
	value, file := os.Getenv(APIKey), os.Getenv(APIKeyFile)
	if value != "" && file != "" {
		return "", BothSetError{APIKey, APIKeyFile}
	}
	if file == "" {
		key, err := oneKey(value)
		if err != nil {
			return "", fmt.Errorf("%s: %w", APIKey, err)
		}
		return key, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", APIKeyFile, err)
	}
	if value, err = oneKey(string(raw)); err != nil {
		return "", fmt.Errorf("%s, which %s names: %w", file, APIKeyFile, err)
	}
	if value == "" {
		return "", fmt.Errorf("no API key in %s, which %s names: put the key into it", file, APIKeyFile)
	}
	return value, nil
}

// oneKey returns the API key that a text holds, or "" if it holds none. A
// placeholder passes: the platform's documentation has YOUR_API_KEY, and its lines
// are to work on the emulator as they stand; with the platform it opens nothing.
func oneKey(text string) (string, error) {
	key := strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\'' }) {
		return "", errors.New("it holds white space, quotation marks, or characters that no key has: leave only the key, in a file of UTF-8")
	}
	return key, nil
}
