package caddymodule

import (
	"cmp"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/inboxgate/inboxgate/internal/access"
)

var dashboardWords = []string{"actions", "reveal", "user", "unauthenticated_ok", "prefix"}

// parseDashboard sets up the handler from Caddyfile tokens. Syntax:
//
//	inbox_dashboard [<matcher>] {
//	    actions            read|operate
//	    reveal             never|operate
//	    user               <placeholder>
//	    prefix             <path>
//	    unauthenticated_ok
//	}
//
// A matcher of the form /ops/* sets the prefix /ops.
func parseDashboard(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	d := new(Dashboard)
	h.Next() // The directive.
	if h.NextArg() {
		switch word := h.Val(); {
		case strings.HasSuffix(word, "/*") && word != "/*":
			d.Prefix = strings.TrimSuffix(word, "/*")
		case strings.HasPrefix(word, "/") && !strings.HasSuffix(word, "/*"):
			return nil, h.Errf("the path %s is that of one page: write %s/* for all of them", word, strings.TrimRight(word, "/*"))
		case !strings.HasPrefix(word, "@") && word != "*" && word != "/*":
			return nil, h.Errf("%s takes a block and no argument; '%s' is too much: write for example { actions operate }", dashboardDirective, word)
		}
	}
	h.Reset()
	h.Next()
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	if err := d.parse(h); err != nil {
		return nil, err
	}
	return h.NewRoute(matcher, d), nil
}

func (d *Dashboard) parse(h httpcaddyfile.Helper) (err error) {
	h.Next()
	if h.NextArg() {
		return h.Errf("%s takes a block and no argument; '%s' is too much", dashboardDirective, h.Val())
	}
	seen := make(map[string]int)
	at := h.Dispenser
	for nesting := h.Nesting(); h.NextBlock(nesting); {
		word := h.Val()
		if line, ok := seen[word]; ok {
			return h.Errf("%s stands here and in line %d already: remove one of them", word, line)
		}
		seen[word] = h.Line()
		switch word {
		case "actions":
			d.Actions, err = oneArg(at, access.ActionsOperate)
		case "reveal":
			d.Reveal, err = oneArg(at, access.RevealOperate)
		case "user":
			d.User, err = oneArg(at, access.BasicUser)
		case "prefix":
			d.Prefix, err = oneArg(at, "/ops")
		case "unauthenticated_ok":
			if d.UnauthenticatedOK = true; h.NextArg() {
				err = h.Errf("%s takes no value; '%s' is too much", word, h.Val())
			}
		default:
			err = unknownWord(at, word, dashboardWords)
		}
		if err != nil {
			return err
		}
		// A line that stands here already is judged here; `actions` may follow.
		one := d.settings()
		one.Actions = cmp.Or(one.Actions, access.ActionsOperate)
		if err := one.Check(); err != nil {
			return h.WrapErr(err)
		}
	}
	if err := d.Validate(); err != nil {
		return h.WrapErr(err)
	}
	return nil
}
