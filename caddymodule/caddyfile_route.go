package caddymodule

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/routing"
)

// routeBlock is what stands in the block of an `on` or a `to`.
type routeBlock struct {
	route  Route
	handle []json.RawMessage
}

// on parses `on <types...> [<upstreams...>] { … }`. The words before the first
// that looks like an address are types.
func (p *webhookParser) on() error {
	start := p.Token()
	args := p.RemainingArgsAsTokens()
	first := slices.IndexFunc(args, func(t caddyfile.Token) bool { return looksLikeAddress(t.Text) })
	if first < 0 {
		first = len(args)
	}
	if first == 0 {
		return p.Errf("on needs at least one event type before the upstreams, for example: on message.failed app:3000")
	}
	var types []string
	for _, t := range args[:first] {
		if err := p.typeOrPort(t.Text); err != nil {
			return err
		}
		if slices.Contains(types, t.Text) {
			return p.Errf("'%s' stands twice in this on: remove one", t.Text)
		}
		types = append(types, t.Text)
	}
	block, err := p.routeBlock()
	if err != nil {
		return err
	}
	return p.addRoute(start, types, args[first:], block)
}

// typeOrPort refuses a mistyped event type, and an address without a port. Own types
// may be listed further down, so only near misses are found here.
func (p *webhookParser) typeOrPort(word string) error {
	if err := routing.CheckType(word, p.hook.Types); err != nil && !p.laterOwn(word) {
		if slices.Contains(routeWords, word) {
			return p.Errf("%s", inItsBlock(word))
		}
		if !strings.Contains(word, ".") {
			return p.Errf("'%s' is neither an event type nor an address: an upstream needs a port, for example %s:3000", word, word)
		}
		return p.WrapErr(err)
	}
	return nil
}

// laterOwn looks ahead for the word in a `types` line.
func (p *webhookParser) laterOwn(word string) bool {
	d := *p.Dispenser
	for line, in := 0, false; d.Next(); {
		if d.Line() != line {
			line, in = d.Line(), d.Val() == "types"
			continue
		}
		if in && d.Val() == word {
			return true
		}
	}
	return false
}

func (p *webhookParser) to() error {
	start := p.Token()
	args := p.RemainingArgsAsTokens()
	block, err := p.routeBlock()
	if err != nil {
		return err
	}
	return p.addRoute(start, nil, args, block)
}

func looksLikeAddress(s string) bool {
	return strings.ContainsAny(s, ":/") || strings.HasPrefix(s, "{")
}

var routeWords = []string{"name", "was", "retry", "timeout", "max_in_flight", "rate", "order", "if", "handle"}

func (p *webhookParser) routeBlock() (b routeBlock, err error) {
	seen := make(map[string]int)
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		word := p.Val()
		if line, ok := seen[word]; ok {
			fix := "remove one of them"
			if word == "if" {
				fix = "join the two with && if both shall be true, or with ||"
			}
			return b, p.Errf("%s stands here and in line %d already: %s", word, line, fix)
		}
		seen[word] = p.Line()
		switch word {
		case "name":
			err = p.text(&b.route.Name)
		case "was":
			err = p.text(&b.route.Was)
		case "timeout":
			err = p.duration(&b.route.Timeout)
		case "retry":
			err = p.retry(&b.route)
		case "max_in_flight":
			err = p.maxInFlight(&b.route)
		case "rate":
			err = p.rate(&b.route)
		case "order":
			b.route.Order, err = oneArg(p, "message_id")
		case "if":
			err = p.condition(&b.route)
		case "handle":
			b.handle, err = p.handle()
		default:
			if _, standard := standardDirectives[word]; standard {
				return b, p.Errf("'%s' is a Caddy directive: put it into a handle { } block here", word)
			}
			err = unknownWord(p.Dispenser, word, routeWords)
		}
		if err != nil {
			return b, err
		}
		if word == "order" || word == "if" {
			if err := b.route.rule().Check(); err != nil {
				return b, p.WrapErr(err)
			}
		}
	}
	return b, nil
}

// condition parses `if <expression>`. The expression is the rest of the line with its
// quotes, as a string of CEL has them too, or one word between quotes.
func (p *webhookParser) condition(r *Route) error {
	if p.CountRemainingArgs() == 1 {
		p.NextArg()
		r.If = p.Val()
	} else {
		r.If = strings.Join(p.RemainingArgsRaw(), " ")
	}
	if rest := *p.Dispenser; rest.Next() && rest.Val() == "{" && rest.Line() == p.Line() {
		return p.Errf("a brace ends the line of if: put the expression between backquotes, as in if `data.error_code == \"expired\"`")
	}
	if strings.TrimSpace(r.If) == "" {
		return p.Errf("if needs an expression that is true of the events to take, for example: if data.error_code == \"expired\"")
	}
	return nil
}

// standardDirectives are those that people would most likely write straight
// into a route's block.
var standardDirectives = map[string]struct{}{
	"reverse_proxy": {}, "header": {}, "rewrite": {}, "uri": {}, "route": {}, "respond": {},
	"request_header": {}, "php_fastcgi": {}, "log_append": {}, "vars": {}, "transport": {}, "header_up": {}, "lb_policy": {},
}

func (p *webhookParser) retry(r *Route) error {
	for p.NextArg() {
		d, err := caddy.ParseDuration(p.Val())
		if err != nil {
			return p.Errf("retry '%s' is no duration: write the delays as 30s 2m 8m", p.Val())
		}
		r.Retry = append(r.Retry, caddy.Duration(d))
	}
	if len(r.Retry) == 0 {
		return p.Errf("retry needs the delays after each failed attempt, for example: retry 30s 2m 8m 32m 2h")
	}
	if err := r.schedule().Validate(); err != nil {
		return p.Errf("retry: %w", err)
	}
	return nil
}

// each is the word behind a bound that each inboxgate of a shared store has for itself.
const each = "each"

// remainingEach returns the arguments that are left, without an `each` at their end.
func (p *webhookParser) remainingEach() (args []string, isEach bool) {
	args = p.RemainingArgs()
	if n := len(args); n > 0 && args[n-1] == each {
		return args[:n-1], true
	}
	return args, false
}

// maxInFlight parses `max_in_flight <number> [each]`.
func (p *webhookParser) maxInFlight(r *Route) error {
	word := p.Val()
	args, isEach := p.remainingEach()
	if len(args) != 1 {
		return p.Errf("%s takes one number: write it as %s 32, or as %s 32 each for so many in each inboxgate that shares the store", word, word, word)
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 {
		return p.Errf("%s '%s' is no number from 1 on: write it as 32", word, args[0])
	}
	r.MaxInFlight, r.MaxInFlightEach = n, isEach
	return nil
}

// rate parses `rate <attempts a second> [<burst>] [each]`.
func (p *webhookParser) rate(r *Route) error {
	args, isEach := p.remainingEach()
	r.RateEach = isEach
	if len(args) < 1 || len(args) > 2 {
		return p.Errf("rate takes the attempts a second, and if you like how many may begin at once: write it as rate 50 or rate 50 10, and with `each` at the end for so many in each inboxgate that shares the store")
	}
	var err error
	if r.Rate, err = strconv.ParseFloat(args[0], 64); err != nil {
		number := args[0]
		for _, unit := range []string{"/second", "/sec", "/s", "rps", "r"} {
			number = strings.TrimSuffix(number, unit)
		}
		if _, err := strconv.ParseFloat(number, 64); err != nil {
			number = "50"
		}
		return p.Errf("rate '%s' is no number: it is the attempts a second, without a unit; write it as rate %s", args[0], number)
	}
	if r.Rate == 0 {
		return p.Errf("rate '%s' would let nothing through: write it as rate 50, hold the route with `%s routes hold`, or leave rate out for no bound", args[0], programName())
	}
	if len(args) == 2 {
		if r.Burst, err = strconv.Atoi(args[1]); err != nil || r.Burst < 1 {
			return p.Errf("the burst '%s' of rate is no number from 1 on: write it as rate %s 10", args[1], args[0])
		}
	}
	if err := deliver.CheckRate(r.Rate, r.Burst); err != nil {
		return p.WrapErr(err)
	}
	return nil
}

// handle parses a block of Caddy directives.
func (p *webhookParser) handle() ([]json.RawMessage, error) {
	start := p.Token()
	d := p.NewFromNextSegment()
	for scan := *d; scan.Next(); {
		if scan.Val() == directiveName {
			return nil, scan.Errf("%s inside its own route: an event would come back to itself", directiveName)
		}
	}
	d.Reset()
	sub, err := httpcaddyfile.ParseSegmentAsSubroute(p.WithDispenser(d))
	if err != nil {
		return nil, errAt(start, "in handle: %w", err)
	}
	if len(sub.(*caddyhttp.Subroute).Routes) == 0 {
		return nil, errAt(start, "handle is empty: put a directive into it, for example reverse_proxy app:3000")
	}
	if plain(sub.(*caddyhttp.Subroute)) {
		return handlersOf(sub.(*caddyhttp.Subroute)), nil
	}
	return []json.RawMessage{wrapSubroute(p.Helper, sub.(*caddyhttp.Subroute))}, nil
}

// plain reports whether the subroute does nothing but run its handlers, so that it can
// be left out, and no attempt need compile it again.
func plain(sub *caddyhttp.Subroute) bool {
	for _, r := range sub.Routes {
		if len(r.MatcherSetsRaw) > 0 || r.Terminal || r.Group != "" {
			return false
		}
	}
	return sub.Errors == nil
}

func handlersOf(sub *caddyhttp.Subroute) (all []json.RawMessage) {
	for _, r := range sub.Routes {
		all = append(all, r.HandlersRaw...)
	}
	return all
}

func wrapSubroute(h httpcaddyfile.Helper, sub *caddyhttp.Subroute) json.RawMessage {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(h.JSON(sub), &m) // It was marshalled a moment ago.
	m["handler"] = json.RawMessage(`"subroute"`)
	return h.JSON(m)
}

// addRoute makes a route of upstreams or of a handle block.
func (p *webhookParser) addRoute(start caddyfile.Token, types []string, upstreams []caddyfile.Token, b routeBlock) error {
	r := b.route
	r.Types = types
	switch {
	case len(upstreams) > 0 && b.handle != nil:
		return errAt(start, "both upstreams and a handle block: put the upstreams into its reverse_proxy")
	case len(upstreams) == 0 && b.handle == nil:
		return errAt(start, "no upstream: add an address such as app:3000, or a handle block")
	case b.handle != nil && r.Name == "":
		return errAt(start, "a route with a handle block needs a name: add `name crm` to its block")
	case b.handle != nil:
		r.HandleRaw = b.handle
	default:
		if r.Name == "" {
			r.Name = upstreams[0].Text
		}
		handlers, err := p.proxy(start, upstreams, r)
		if err != nil {
			return err
		}
		r.HandleRaw = handlers
	}
	place := placeOf(start)
	if len(types) == 0 && p.fallback != "" {
		return errAt(start, "a second `to`, after the one at %s: one `to` takes what no `on` took; several addresses in it are replicas of one app", p.fallback)
	} else if len(types) == 0 {
		p.fallback = place
	}
	if other, ok := p.routes[r.Name]; ok {
		return errAt(start, "two routes are named '%s', here and at %s: give one of them another `name`", r.Name, other)
	}
	if p.routes == nil {
		p.routes = make(map[string]string)
	}
	p.routes[r.Name] = place
	p.hook.Routes = append(p.hook.Routes, r)
	return nil
}

// inlineName is the route of the one-line form. It stays when the app's port
// changes, and is the one that the sidecar gives.
const inlineName = "default"

// nameInline names the route of the one-line form, and takes over what waits for
// its address, which was the name once. A name that another route has is left
// to it.
func (p *webhookParser) nameInline() {
	r := &p.hook.Routes[0]
	taken := slices.ContainsFunc(p.hook.Routes, func(o Route) bool { return o.Name == inlineName || o.Was == inlineName })
	if taken {
		return
	}
	r.Name, r.Was = inlineName, r.Name
}

// parseNumber parses the one number of a word.
func parseNumber(d argParser, example string, to *int) error {
	word := d.Val()
	value, err := oneArg(d, example)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return d.Errf("%s '%s' is no number from 1 on: write it as %s", word, value, example)
	}
	*to = n
	return nil
}
