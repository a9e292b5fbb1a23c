package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/verify"
)

// Config is one secret as it is configured: see the fields of the same name in
// caddymodule's Secret.
type Config struct {
	Value    string
	Until    *time.Time // nil: for ever.
	Optional bool
}

// Replace fills the placeholders of a text in. It refuses what it does not know, and,
// with errOnEmpty, what is empty.
type Replace func(text string, errOnEmpty bool) (string, error)

// Resolve turns the configured secrets into keys, or those of the environment if none
// is configured. The warnings are what an operator should know without having to stop.
func Resolve(configured []Config, replace Replace, now time.Time) (keys []verify.Secret, warnings []string, err error) {
	if len(configured) == 0 {
		keys, odd, err := verify.EnvSecrets(os.Getenv)
		if err != nil {
			return nil, nil, err
		}
		for _, what := range odd {
			warnings = append(warnings, "the secret of the environment "+what)
		}
		return keys, warnings, nil
	}
	var errs []error
	for i, s := range configured {
		k, odd, err := s.resolve(i, replace, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("secret %d: %w", i+1, err))
		}
		for _, what := range odd {
			warnings = append(warnings, fmt.Sprintf("secret %d %s", i+1, what))
		}
		keys = append(keys, k...)
	}
	if len(errs) == 0 && len(keys) == 0 {
		errs = append(errs, errors.New("no secret is active: every one is unset or has run out; set one of them"))
	}
	return keys, warnings, errors.Join(errs...)
}

func (s Config) resolve(i int, replace Replace, now time.Time) (keys []verify.Secret, odd []string, err error) {
	if err := s.Mistyped(replace); err != nil {
		return nil, nil, err
	}
	// What a replacer says of a file that is not there is that it is empty.
	missing := s.filesTrouble()
	if missing != nil && !s.Optional {
		return nil, nil, missing
	}
	value, err := replace(s.Value, true)
	switch {
	case err != nil && s.Optional, err == nil && s.Optional && strings.TrimSpace(value) == "":
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("%s is empty: set what it names, or mark the secret `optional`", s.placeholder())
	case strings.TrimSpace(value) == "":
		return nil, nil, errors.New("it is empty: give the webhook's secret, for example {env." + verify.EnvSecret + "}")
	}
	if s.Until != nil && !now.Before(*s.Until) {
		return nil, []string{"ran out at " + s.Until.Format(time.RFC3339) + " and is ignored: remove it"}, nil
	}
	keys, odd, err = verify.ParseSecrets(fmt.Sprintf("secret %d", i+1), value)
	if err != nil {
		return nil, nil, err
	}
	if value == s.Value {
		odd = append(odd, "is written into the configuration, where logs and the admin API show it: use {env.NAME} or {file./path}")
	}
	if s.Until != nil {
		for n := range keys {
			keys[n].NotAfter = *s.Until
		}
	}
	return keys, odd, nil
}

// filesTrouble returns why a {file./path} in the value cannot be read.
func (s Config) filesTrouble() error {
	for _, path := range filesIn(s.Value) {
		fi, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the file %s does not exist: create it, correct the path, or mark the secret `optional`", path)
		}
		if err != nil || !fi.Mode().IsRegular() {
			continue // What else there may be is Caddy's to read, or to refuse.
		}
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("reading the file of the secret: %w: let inboxgate read it", err)
		}
		_ = f.Close()
	}
	return nil
}

// filesIn returns the paths of the {file./path} in a value.
func filesIn(value string) (paths []string) {
	for _, part := range strings.Split(value, "{file.")[1:] {
		if path, _, ok := strings.Cut(part, "}"); ok {
			paths = append(paths, path)
		}
	}
	return paths
}

var (
	// halfPlaceholder is what is left of {env.NAME} without one of its braces.
	halfPlaceholder = regexp.MustCompile(`^(env|file)\.|\{(env|file)\.[^}]*$`)
	filePlaceholder = regexp.MustCompile(`\{file\.[^}]*\}`)
)

// Mistyped refuses what was meant for a placeholder and is none. Left alone, its
// text would be the secret, which anyone could guess; or an optional secret
// would be missing for ever.
func (s Config) Mistyped(replace Replace) error {
	if halfPlaceholder.MatchString(s.Value) {
		return errors.New("a placeholder in it lacks a brace: write it as {env.NAME} or {file./path}")
	}
	// An unset variable is known, and empty. So is a missing file, of which Caddy
	// would log an error at each look.
	if _, err := replace(filePlaceholder.ReplaceAllString(s.Value, ""), false); err != nil {
		return fmt.Errorf("%s is unknown: write it as {env.NAME} or {file./path}", s.placeholder())
	}
	return nil
}

// Literal refuses a value that stands in the configuration itself and can be no
// secret. What a placeholder names is looked at when it is filled in.
func (s Config) Literal() error {
	if strings.Contains(s.Value, "{env.") || strings.Contains(s.Value, "{file.") || strings.TrimSpace(s.Value) == "" {
		return nil
	}
	keys, _, err := verify.ParseSecrets("secret", s.Value)
	if err != nil {
		return err
	}
	_, err = verify.New(keys...)
	return errors.Unwrap(err) // Without the number: the place is known.
}

// placeholder returns the name of the value for a message: only what is nothing but a
// placeholder, for a secret may hold braces of its own.
func (s Config) placeholder() string {
	inner, ok := strings.CutPrefix(s.Value, "{")
	inner, ok2 := strings.CutSuffix(inner, "}")
	if ok && ok2 && !strings.ContainsAny(inner, "{} ") {
		return s.Value
	}
	return "a placeholder in it"
}
