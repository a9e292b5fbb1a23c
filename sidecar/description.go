package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/inboxgate/inboxgate/internal/env"
)

// description is the help text of the command.
func description() string {
	var b strings.Builder
	b.WriteString(`inboxgate takes the webhooks of the Inbox platform for your app: it checks each
signature, drops duplicates, stores the event, answers 200, and brings the event
to your app again and again until the app has it.

Without arguments it runs on these variables of the environment:

`)
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	row := func(name, use, byDefault string) {
		if byDefault != "" {
			use += " (" + byDefault + ")"
		}
		fmt.Fprintf(w, "  %s\t%s\n", name, use)
	}
	row(env.Secret, "the webhook's secret, 16 bytes or more", "required")
	row("", "several, one a line or separated by commas, are all valid", "")
	row(env.SecretFile, "or a file that holds it", "")
	for _, v := range variables {
		row(v.name, v.use, v.byDefault)
	}
	row(env.AdminToken, "needed where other machines reach "+env.Admin, "")
	row(env.AdminTokenFile, "or a file that holds it", "")
	_ = w.Flush() // A strings.Builder takes everything.
	fmt.Fprintf(&b, `
%s or one of those for a type is required. Several addresses,
separated by commas or spaces, are replicas of one app. A Caddyfile at
%s replaces the variables: see Caddyfile.example.

Short commands:
%s
Every command of Caddy works too: inboxgate is Caddy with one more module.
`, env.Upstream, mountedCaddyfile, wrapped(subcommands()))
	return b.String()
}

// wrapped is a list in lines of at most 78 characters.
func wrapped(words []string) string {
	var b strings.Builder
	line := "  "
	for i, w := range words {
		if w += ","; i == len(words)-1 {
			w = strings.TrimSuffix(w, ",") + "."
		}
		if len(line)+len(w) > 78 {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = "  "
		}
		line += w + " "
	}
	return b.String() + strings.TrimRight(line, " ")
}
