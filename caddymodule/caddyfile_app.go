package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/storage"
)

var appWords = []string{"data_dir", "storage", "window", "retention", "max_size", "grace", "admin_token"}

// parseApp sets up the app from the global option. Syntax:
//
//	inbox {
//	    data_dir  <path>
//	    storage   postgres [<address>] { <storage block> }
//	    window    <duration>
//	    retention <duration>
//	    max_size  <size>
//	    grace     <duration>
//	    admin_token <token>
//	}
//
// The storage block is:
//
//	{
//	    durability local|replica
//	    batches    1|2
//	    name       <member>
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
		case "storage":
			a.Database, err = parseStorage(d)
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

var storageWords = []string{"durability", "batches", "name"}

// parseStorage parses the kind of the database, its address and the block.
func parseStorage(d *caddyfile.Dispenser) (*Database, error) {
	args := d.RemainingArgs()
	switch {
	case len(args) == 0 || strings.ContainsAny(args[0], "{:="):
		return nil, d.Errf("storage needs the kind of the database before its address, for example: storage postgres {env.%s}", env.DatabaseURL)
	case len(args) > 2:
		return nil, d.Errf("storage takes the kind of the database and its address, and %d more words follow: put an address that has spaces between backquotes", len(args)-2)
	}
	c := &Database{Engine: args[0]}
	if len(args) == 2 {
		c.DSN = args[1]
	}
	err := storage.Config(*c).Check()
	seen := make(map[string]int)
	for nesting := d.Nesting(); err == nil && d.NextBlock(nesting); {
		word := d.Val()
		if line, ok := seen[word]; ok {
			return nil, d.Errf("%s stands here and in line %d already: remove one of them", word, line)
		}
		seen[word] = d.Line()
		switch word {
		case "durability":
			c.Durability, err = oneArg(d, "replica")
		case "batches":
			err = parseNumber(d, "1", &c.Batches)
		case "name":
			c.Name, err = oneArg(d, "{system.hostname}")
		default:
			err = unknownWord(d, word, storageWords)
		}
		if err != nil {
			return nil, err
		}
		err = storage.Config(*c).Check()
	}
	if err != nil {
		return nil, d.WrapErr(err)
	}
	return c, nil
}
