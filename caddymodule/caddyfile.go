package caddymodule

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/nearest"
	"github.com/inboxgate/inboxgate/internal/secrets"
	"github.com/inboxgate/inboxgate/internal/settings"
)

// parseWebhook sets up the handler from Caddyfile tokens. Syntax:
//
//	inbox_webhook [<matcher>] [<upstreams...>] {
//	    name         <source>
//	    secret       <value> [until <time>] [optional]
//	    types        <own types...>
//	    on           <types...> [<upstreams...>] { <route block> }
//	    to           <upstreams...> { <route block> }
//	    max_body     <size>
//	    read_timeout <duration>
//	    stale        quarantine|deliver
//	    pass
//	    ack_timeout  <duration>
//	}
//
// Upstreams on the first line are short for `to`. The route block is:
//
//	{
//	    name          <route>
//	    was           <old name>
//	    retry         <delays...>
//	    timeout       <duration>
//	    max_in_flight <number> [each]
//	    rate          <attempts a second> [<burst>] [each]
//	    order         <member of data>
//	    if            <CEL expression>
//	    handle        { <Caddy directives> }
//	}
func parseWebhook(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	p := &webhookParser{Helper: h, hook: new(Webhook), once: make(map[string]int)}
	if err := p.parse(); err != nil {
		return nil, err
	}
	return p.hook, nil
}

type webhookParser struct {
	httpcaddyfile.Helper
	hook *Webhook // What is being made.
	// once holds the line of each word that may stand only once.
	once   map[string]int
	inline bool // The first route stands in the line of the directive.
	// fallback is the place of the `to`.
	fallback string
	// secrets holds the place of each secret.
	secrets []string
	// odd holds what is probably not meant, in words. It is logged when the
	// configuration is loaded: a Caddyfile is also parsed to be checked.
	odd []string
	// routes holds the place of each route by name.
	routes map[string]string
}

func (p *webhookParser) parse() error {
	p.Next() // The directive.
	start := p.Token()
	if args := p.RemainingArgsAsTokens(); len(args) > 0 {
		if err := p.addRoute(start, nil, args, routeBlock{}); err != nil {
			return err
		}
		p.inline = true
	}
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		if err := p.word(p.Val()); err != nil {
			return err
		}
	}
	if p.inline {
		p.nameInline()
	}
	if err := p.whole(start); err != nil {
		return err
	}
	return p.remember(start)
}

var webhookWords = []string{"name", "secret", "types", "on", "to", "max_body", "read_timeout", "stale", "pass", "ack_timeout"}

func (p *webhookParser) word(word string) error {
	switch word {
	case "on", "to", "secret", "types":
	default:
		if line, ok := p.once[word]; ok {
			return p.Errf("%s stands here and in line %d already: remove one of them", word, line)
		}
		p.once[word] = p.Line()
	}
	switch word {
	case "name":
		return p.text(&p.hook.Name)
	case "secret":
		return p.secret()
	case "types":
		return p.types()
	case "on":
		return p.on()
	case "to":
		return p.to()
	case "max_body":
		return p.size(&p.hook.MaxBody)
	case "read_timeout":
		return p.duration(&p.hook.ReadTimeout)
	case "ack_timeout":
		return p.duration(&p.hook.AckTimeout)
	case "stale":
		return p.text(&p.hook.Stale)
	case "pass":
		p.hook.Pass = true
		return p.nothingMore()
	}
	return unknownWord(p.Dispenser, word, webhookWords)
}

func unknownWord(d *caddyfile.Dispenser, word string, words []string) error {
	if word == "{" {
		return d.Errf("no block belongs here: remove the '{'")
	}
	if belongs := misplaced(word, words); belongs != "" {
		return d.Errf("%s", belongs)
	}
	if near := nearest.Word(word, words); near != "" {
		return d.Errf("unknown word '%s'; did you mean '%s'?", word, near)
	}
	return d.Errf("unknown word '%s'; known here: %s", word, strings.Join(words, ", "))
}

func (p *webhookParser) secret() error {
	var s Secret
	if !p.NextArg() {
		return p.Errf("secret needs a value, for example: secret {env.%s}", env.Secret)
	}
	s.Value = p.Val()
	if err := secrets.Config(s).Mistyped(replacePlaceholders); err != nil {
		return p.WrapErr(fmt.Errorf("secret: %w", err))
	}
	if err := secrets.Config(s).Literal(); err != nil {
		return p.WrapErr(fmt.Errorf("secret: %w", err))
	}
	for p.NextArg() {
		switch p.Val() {
		case "optional":
			s.Optional = true
		case "until":
			if !p.NextArg() {
				return p.Errf("until needs a time, for example: until 2027-01-31T00:00:00Z")
			}
			t, err := time.Parse(time.RFC3339, p.Val())
			if err != nil {
				return p.Errf("until '%s' is no time: write it as 2027-01-31T00:00:00Z", p.Val())
			}
			s.Until = &t
		default:
			return p.Errf("unknown word '%s' after the secret; known here: until <time>, optional", p.Val())
		}
	}
	p.hook.Secrets = append(p.hook.Secrets, s)
	p.secrets = append(p.secrets, placeOf(p.Token()))
	return nil
}

func (p *webhookParser) types() error {
	own := p.RemainingArgs()
	if len(own) == 0 {
		return p.Errf("types needs at least one event type of your own, for example: types message.expired")
	}
	p.hook.Types = append(p.hook.Types, own...)
	return nil
}

// whole checks what does not show in a single word.
func (p *webhookParser) whole(start caddyfile.Token) error {
	s := p.hook.Source
	s.setDefaults()
	for _, err := range s.check() {
		return errAt(start, "%s: %w", directiveName, err)
	}
	for _, sec := range s.Secrets {
		if strings.TrimSpace(sec.Value) == "" {
			return errAt(start, "%s: a secret is empty: give the webhook's secret, for example {env.%s}", directiveName, env.Secret)
		}
	}
	return nil
}

// remember refuses a second source of the same name that differs, and names
// both places.
func (p *webhookParser) remember(start caddyfile.Token) error {
	const key = "inbox_webhook.sources"
	seen, _ := p.State[key].(map[string]seenSource)
	if seen == nil {
		seen = make(map[string]seenSource)
		p.State[key] = seen
	}
	s := p.hook.Source
	s.setDefaults()
	rememberPlace(s, sourcePlace{placeOf(start), p.secrets, p.odd})
	now := seenSource{string(p.JSON(s)), placeOf(start)}
	if old, ok := seen[s.Name]; ok && old.json != now.json {
		return errAt(start, "source '%s' is configured here and, differently, at %s: give one of them another name, or make them equal", s.Name, old.place)
	}
	seen[s.Name] = now
	return nil
}

type seenSource struct{ json, place string }

// errAt is an error with a place other than where the dispenser stands.
func errAt(at caddyfile.Token, format string, args ...any) error {
	return fmt.Errorf("%w, at %s:%d", fmt.Errorf(format, args...), at.File, at.Line)
}

// The following parse one argument each.

type argParser interface {
	NextArg() bool
	Val() string
	Errf(format string, args ...any) error
}

func oneArg(d argParser, example string) (string, error) {
	word := d.Val()
	if !d.NextArg() {
		return "", d.Errf("%s needs a value, for example: %s %s", word, word, example)
	}
	value := d.Val()
	if d.NextArg() {
		return "", d.Errf("%s takes one value; '%s' is too much", word, d.Val())
	}
	return value, nil
}

func parseText(d argParser, to *string) (err error) {
	*to, err = oneArg(d, "inbox")
	return err
}

func parseDuration(d argParser, to *caddy.Duration) error {
	word := d.Val()
	value, err := oneArg(d, "10s")
	if err != nil {
		return err
	}
	t, err := caddy.ParseDuration(value)
	if err != nil || t <= 0 {
		return d.Errf("%s '%s' is no duration: write it as 10s, 5m or 3d", word, value)
	}
	*to = caddy.Duration(t)
	return nil
}

func parseSize(d argParser, to *int64) error {
	word := d.Val()
	value, err := oneArg(d, "1MiB")
	if err != nil {
		return err
	}
	if n, err := strconv.ParseUint(value, 10, 64); err == nil && n < settings.MinMaxBody { // More than that can be meant as bytes.
		return d.Errf("%s %s has no unit: write it as %sMiB, or as %[2]sB for bytes", word, value, value)
	}
	n, err := humanize.ParseBytes(value)
	if err != nil || n == 0 || n > 1<<60 {
		return d.Errf("%s '%s' is no size: write it as 1MiB or 10GiB", word, value)
	}
	*to = int64(n)
	return nil
}

func (p *webhookParser) text(to *string) error             { return parseText(p, to) }
func (p *webhookParser) duration(to *caddy.Duration) error { return parseDuration(p, to) }
func (p *webhookParser) size(to *int64) error              { return parseSize(p, to) }

func (p *webhookParser) nothingMore() error {
	if p.NextArg() {
		return p.Errf("'%s' is too much here", p.Val())
	}
	return nil
}
