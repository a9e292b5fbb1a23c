package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"text/template"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/inboxgate/inboxgate/internal/env"
)

// adapterName is a config adapter, so that the built-in Caddyfile works with
// each command of Caddy, for example:
//
//	inboxgate adapt --pretty --config /dev/null --adapter inboxgate-env
const adapterName = "inboxgate-env"

func init() {
	caddyconfig.RegisterAdapter(adapterName, envAdapter{})
}

// envAdapter makes Caddy's configuration from the environment. Secrets are
// not part of it: the module reads them from the environment itself.
type envAdapter struct{}

// Adapt ignores its input, which is the empty file that Caddy insists on.
func (envAdapter) Adapt(body []byte, _ map[string]any) ([]byte, []caddyconfig.Warning, error) {
	if len(bytes.TrimSpace(body)) > 0 {
		return nil, nil, fmt.Errorf("the adapter %s reads the environment and no file: give --config %s", adapterName, os.DevNull)
	}
	s, warnings, err := readEnvironment(os.Environ(), env.ReadSecrets)
	if err != nil {
		return nil, nil, err
	}
	config, all, err := s.adapt()
	for _, w := range warnings {
		all = append(all, caddyconfig.Warning{Message: w})
	}
	return config, all, err
}

//go:embed Caddyfile.tmpl
var templateText string

var caddyfileTemplate = template.Must(template.New("Caddyfile").
	Funcs(template.FuncMap{"quote": quote}).
	Parse(templateText))

// caddyfile writes the settings as a Caddyfile.
func (s settings) caddyfile() ([]byte, error) {
	if s.Admin == "" {
		s.Admin = s.defaultAdmin()
	}
	var b bytes.Buffer
	if err := caddyfileTemplate.Execute(&b, s); err != nil {
		return nil, fmt.Errorf("writing the built-in Caddyfile: %w", err)
	}
	return b.Bytes(), nil
}

func (s settings) adapt() ([]byte, []caddyconfig.Warning, error) {
	text, err := s.caddyfile()
	if err != nil {
		return nil, nil, err
	}
	return caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": "built-in"})
}

// bare is what the lexer takes as one word without quotes.
var bare = regexp.MustCompile(`^[A-Za-z0-9_./:*\[\]-]+$`)

// quote makes one token of a value that passed checkPlain. Between backquotes
// the lexer knows no escapes; braces stay dangerous there, because {$NAME} is
// replaced before it runs.
func quote(value string) string {
	if bare.MatchString(value) {
		return value
	}
	return "`" + value + "`"
}

// checkPlain refuses what could end a token or begin a placeholder.
func checkPlain(value string) error {
	for _, r := range value {
		if r < ' ' || r == 0x7f || r == '\u0085' || r == '\uFFFD' {
			return errors.New("it holds a control character or a line break, or is no UTF-8: remove it")
		}
		if strings.ContainsRune("{}`\"", r) {
			return fmt.Errorf("it holds %c, which no variable can: mount a Caddyfile for that", r)
		}
	}
	return nil
}

// places are what the Caddyfile's parser adds to a message, of use only to
// someone who can see the file.
var places = regexp.MustCompile(`(, at built-in:\d+( import chain \[.*\])?)+$|^parsing caddyfile tokens for '[a-z_]+': |^built-in:\d+: `)

// reason is the parser's message without places.
func reason(err error) error {
	return errors.New(places.ReplaceAllString(err.Error(), ""))
}
