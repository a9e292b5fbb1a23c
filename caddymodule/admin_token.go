package caddymodule

import (
	"fmt"
	"os"

	"github.com/caddyserver/caddy/v2"
)

// Environment variables of the operator's API.
const (
	EnvAdminToken     = "INBOX_ADMIN_TOKEN"
	EnvAdminTokenFile = "INBOX_ADMIN_TOKEN_FILE"
)

// adminToken resolves the configured token, or else that of the environment.
// None is no error. literal says that the configuration itself shows it.
func adminToken(configured string) (token string, literal bool, err error) {
	if configured == "" {
		token, err = envAdminToken()
		return token, false, err
	}
	token, err = caddy.NewReplacer().ReplaceOrErr(configured, true, true)
	if err != nil {
		return "", false, fmt.Errorf("admin_token: %w: set what the placeholder names", err)
	}
	literal = token == configured
	token, err = checkToken("admin_token", token)
	return token, literal, err
}

// envAdminToken is the token that the environment holds.
func envAdminToken() (string, error) {
	value, file := os.Getenv(EnvAdminToken), os.Getenv(EnvAdminTokenFile)
	switch {
	case value != "" && file != "":
		return "", fmt.Errorf("both %s and %s are set: unset one of them", EnvAdminToken, EnvAdminTokenFile)
	case file != "":
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", EnvAdminTokenFile, err)
		}
		return checkToken(EnvAdminTokenFile, string(raw))
	case value != "":
		return checkToken(EnvAdminToken, value)
	}
	return "", nil
}

// checkToken refuses what could be guessed, or could not be sent.
func checkToken(name, token string) (string, error) {
	token, err := oneToken(token)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if len(token) < minSecret {
		return "", fmt.Errorf("%s has %d bytes: give at least %d, for example the output of `openssl rand -hex 24`", name, len(token), minSecret)
	}
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return "", fmt.Errorf("%s holds bytes that no header can carry: use letters and digits", name)
		}
	}
	return token, nil
}
