package caddymodule

import (
	"errors"
	"fmt"
	"io/fs"
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

// EnvSecrets reads the secrets that the environment holds.
func EnvSecrets() ([]string, error) {
	values, _, err := envSecrets()
	return textsOf(values), err
}

func textsOf(values []reading) (texts []string) {
	for _, v := range values {
		texts = append(texts, v.text)
	}
	return texts
}

// envSecrets is EnvSecrets, with what an operator should know.
func envSecrets() (values []reading, odd []string, err error) {
	value, file := os.Getenv(EnvSecret), os.Getenv(EnvSecretFile)
	if value != "" && file != "" {
		return nil, nil, fmt.Errorf("both %s and %s are set: unset one of them", EnvSecret, EnvSecretFile)
	}
	from := EnvSecret
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, fmt.Errorf("reading %s: %w", EnvSecretFile, err)
		}
		from, value = EnvSecretFile, string(raw)
	}
	values, odd, err = takeSecrets(value)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", from, err)
	}
	if len(values) == 0 {
		return nil, nil, fmt.Errorf("no secret: set %s (or %s to the path of a file that holds it) to the webhook's secret, at least %d bytes long", EnvSecret, EnvSecretFile, minSecret)
	}
	return values, odd, nil
}

// takeSecrets is the one way from a text, be it a file, a variable or a word of a
// Caddyfile, to secrets.
func takeSecrets(raw string) (values []reading, odd []string, err error) {
	text, err := plainText([]byte(raw))
	if err != nil {
		return nil, nil, err
	}
	lines := secretLines(text)
	for i, line := range lines {
		in := ""
		if len(lines) > 1 {
			in = fmt.Sprintf("in line %d ", i+1)
		}
		all := readings(line)
		for _, r := range all {
			if err := placeholding(r.text); err != nil {
				return nil, nil, fmt.Errorf("%s%w", in, err)
			}
			if r.whole {
				continue
			}
			for _, what := range oddities(r.text) {
				odd = append(odd, in+what)
			}
		}
		if len(all) > 3 {
			odd = append(odd, in+"holds several commas, and one of them may belong to a secret: put each secret on a line of its own")
		}
		values = append(values, all...)
	}
	return values, odd, nil
}

// resolveSecrets turns the configured secrets into keys, and says in warnings
// what an operator should know without having to stop.
func resolveSecrets(configured []Secret, now time.Time) (keys []verify.Secret, warnings []string, err error) {
	if len(configured) == 0 {
		values, odd, err := envSecrets()
		if err != nil {
			return nil, nil, err
		}
		for i, v := range values {
			keys = append(keys, verify.Secret{Key: []byte(v.text), Label: v.label(EnvSecret, i, len(values))})
		}
		for _, what := range odd {
			warnings = append(warnings, "the secret of the environment "+what)
		}
		return keys, warnings, nil
	}
	var errs []error
	for i, s := range configured {
		k, odd, err := s.resolve(i, now)
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

func (s Secret) resolve(i int, now time.Time) (keys []verify.Secret, odd []string, err error) {
	if err := s.mistyped(); err != nil {
		return nil, nil, err
	}
	// What a replacer says of a file that is not there is that it is empty.
	missing := s.filesTrouble()
	if missing != nil && !s.Optional {
		return nil, nil, missing
	}
	value, err := caddy.NewReplacer().ReplaceOrErr(s.Value, true, true)
	switch {
	case err != nil && s.Optional, err == nil && s.Optional && strings.TrimSpace(value) == "":
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("%s is empty: set what it names, or mark the secret `optional`", s.placeholder())
	case strings.TrimSpace(value) == "":
		return nil, nil, errors.New("it is empty: give the webhook's secret, for example {env." + EnvSecret + "}")
	}
	if s.Until != nil && !now.Before(*s.Until) {
		return nil, []string{"ran out at " + s.Until.Format(time.RFC3339) + " and is ignored: remove it"}, nil
	}
	values, odd, err := takeSecrets(value)
	if err != nil {
		return nil, nil, err
	}
	if value == s.Value {
		odd = append(odd, "is written into the configuration, where logs and the admin API show it: use {env.NAME} or {file./path}")
	}
	for n, v := range values {
		k := verify.Secret{Key: []byte(v.text), Label: v.label(fmt.Sprintf("secret %d", i+1), n, len(values))}
		if s.Until != nil {
			k.NotAfter = *s.Until
		}
		keys = append(keys, k)
	}
	return keys, odd, nil
}

// filesTrouble says why a {file./path} in the value cannot be read.
func (s Secret) filesTrouble() error {
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

// filesIn are the paths of the {file./path} in a value.
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

// literal refuses a value that stands in the configuration itself and can be no
// secret. What a placeholder names is looked at when it is filled in.
func (s Secret) literal() error {
	if strings.Contains(s.Value, "{env.") || strings.Contains(s.Value, "{file.") || strings.TrimSpace(s.Value) == "" {
		return nil
	}
	values, _, err := takeSecrets(s.Value)
	if err != nil {
		return err
	}
	_, err = verify.New(keysOf(textsOf(values))...)
	return errors.Unwrap(err) // Without the number: the place is known.
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

// wholeLabel ends the label of a line that was also taken apart at its commas.
const wholeLabel = " with its commas"

// label names the ith of n readings in errors.
func (r reading) label(name string, i, n int) string {
	switch {
	case r.whole:
		return name + wholeLabel
	case n == 1:
		return name
	}
	return fmt.Sprintf("%s/%d", name, i+1)
}
