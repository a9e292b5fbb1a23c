package caddymodule

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/verify"
)

// Environment variables that hold the secrets of a source that lists none.
const (
	EnvSecret     = verify.EnvSecret
	EnvSecretFile = verify.EnvSecretFile
)

const minSecret = verify.MinSecret

// SplitSecrets is verify.SplitSecrets.
func SplitSecrets(text string) []string { return verify.SplitSecrets(text) }

func splitLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// EnvSecrets reads the secrets that the environment holds, as verify.FromEnv
// does.
func EnvSecrets() ([]string, error) {
	secrets, err := verify.EnvSecrets(os.Getenv)
	values := make([]string, len(secrets))
	for i, s := range secrets {
		values[i] = string(s.Key)
	}
	return values, err
}

// resolveSecrets turns the configured secrets into keys, and says in warnings
// what an operator should know without having to stop.
func resolveSecrets(configured []Secret, now time.Time) (keys []verify.Secret, warnings []string, err error) {
	if len(configured) == 0 {
		values, err := EnvSecrets()
		if err != nil {
			return nil, nil, err
		}
		for i, v := range values {
			keys = append(keys, verify.Secret{Key: []byte(v), Label: label(EnvSecret, i, len(values))})
		}
		return keys, nil, nil
	}
	var errs []error
	for i, s := range configured {
		k, warning, err := s.resolve(i, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("secret %d: %w", i+1, err))
		}
		if warning != "" {
			warnings = append(warnings, fmt.Sprintf("secret %d %s", i+1, warning))
		}
		keys = append(keys, k...)
	}
	if len(errs) == 0 && len(keys) == 0 {
		errs = append(errs, errors.New("no secret is active: every one is unset or has run out; set one of them"))
	}
	return keys, warnings, errors.Join(errs...)
}

func (s Secret) resolve(i int, now time.Time) (keys []verify.Secret, warning string, err error) {
	if err := s.mistyped(); err != nil {
		return nil, "", err
	}
	value, err := caddy.NewReplacer().ReplaceOrErr(s.Value, true, true)
	switch {
	case err != nil && s.Optional, err == nil && s.Optional && strings.TrimSpace(value) == "":
		return nil, "", nil
	case err != nil:
		return nil, "", fmt.Errorf("%s is empty: set what it names, or mark the secret `optional`", s.placeholder())
	case strings.TrimSpace(value) == "":
		return nil, "", errors.New("it is empty: give the webhook's secret, for example {env." + EnvSecret + "}")
	}
	if s.Until != nil && !now.Before(*s.Until) {
		return nil, "ran out at " + s.Until.Format(time.RFC3339) + " and is ignored: remove it", nil
	}
	if value == s.Value {
		warning = "is written into the configuration, where logs and the admin API show it: use {env.NAME} or {file./path}"
	}
	lines := splitLines(value)
	for n, line := range lines {
		k := verify.Secret{Key: []byte(line), Label: label(fmt.Sprintf("secret %d", i+1), n, len(lines))}
		if s.Until != nil {
			k.NotAfter = *s.Until
		}
		keys = append(keys, k)
	}
	return keys, warning, nil
}

var (
	// halfPlaceholder is what is left of {env.NAME} without one of its braces.
	halfPlaceholder = regexp.MustCompile(`^(env|file)\.|\{(env|file)\.[^}]*$`)
	filePlaceholder = regexp.MustCompile(`\{file\.[^}]*\}`)
)

// mistyped finds what was meant for a placeholder and is none. Left alone, its
// text would be the secret, which anyone could guess; or an optional secret
// would be missing for ever.
func (s Secret) mistyped() error {
	if halfPlaceholder.MatchString(s.Value) {
		return errors.New("a placeholder in it lacks a brace: write it as {env.NAME} or {file./path}")
	}
	// An unset variable is known, and empty. So is a missing file, of which Caddy
	// would log an error at each look.
	if _, err := caddy.NewReplacer().ReplaceOrErr(filePlaceholder.ReplaceAllString(s.Value, ""), false, true); err != nil {
		return fmt.Errorf("%s is unknown: write it as {env.NAME} or {file./path}", s.placeholder())
	}
	return nil
}

// placeholder names the value for a message: only what is nothing but a
// placeholder, for a secret may hold braces of its own.
func (s Secret) placeholder() string {
	inner, ok := strings.CutPrefix(s.Value, "{")
	inner, ok2 := strings.CutSuffix(inner, "}")
	if ok && ok2 && !strings.ContainsAny(inner, "{} ") {
		return s.Value
	}
	return "a placeholder in it"
}

func label(name string, i, n int) string {
	if n == 1 {
		return name
	}
	return fmt.Sprintf("%s/%d", name, i+1)
}
