package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

var appWords = []string{"data_dir", "window", "retention", "max_size", "grace", "admin_token"}

// parseApp sets up the app from the global option. Syntax:
//
//	inbox {
//	    data_dir  <path>
//	    window    <duration>
//	    retention <duration>
//	    max_size  <size>
//	    grace     <duration>
//	    admin_token <token>
//	}
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next() // The option's name.
	if existing != nil {
		return nil, d.Errf("the global option %s stands twice: merge the two blocks", appID)
	}
	if d.NextArg() {
		return nil, d.Errf("the global option %s takes a block and no argument; '%s' is too much", appID, d.Val())
	}
	var a App
	seen := make(map[string]int)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		if line, ok := seen[word]; ok {
			return nil, d.Errf("%s stands here and in line %d already: remove one of them", word, line)
		}
		seen[word] = d.Line()
		var err error
		switch word {
		case "data_dir":
			a.DataDir, err = oneArg(d, "/data/inbox")
		case "window":
			err = parseDuration(d, &a.Window)
		case "retention":
			err = parseDuration(d, &a.Retention)
		case "max_size":
			err = parseSize(d, &a.MaxSize)
		case "grace":
			err = parseDuration(d, &a.Grace)
		case "admin_token":
			a.AdminToken, err = oneArg(d, "{file./run/secrets/inbox_admin_token}")
		default:
			err = unknownWord(d, word, appWords)
		}
		if err == nil {
			err = a.Validate()
			if err != nil {
				err = d.WrapErr(err)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return httpcaddyfile.App{Name: appID, Value: caddyconfig.JSON(a, nil)}, nil
}
