package e2e

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	_ "github.com/inboxgate/inboxgate/caddymodule" // Registers the commands that are listed.
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/metrics"
)

var update = flag.Bool("update", false, "write docs/reference.md")

const referencePath = "../../docs/reference.md"

// docs/reference.md is what the code says: the parser's words with the comments
// of the fields that they set, the variables, the metrics, the commands.
//
//	go test ./internal/e2e -run TestReference -update
func TestReference(t *testing.T) {
	t.Parallel()
	want := reference(t)
	if *update {
		if err := os.WriteFile(referencePath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) == want {
		return
	}
	have := strings.Split(string(got), "\n")
	for i, line := range strings.Split(want, "\n") {
		if i >= len(have) || have[i] != line {
			t.Fatalf("docs/reference.md is not what the code says; write it with go test ./internal/e2e -run TestReference -update\nline %d should be:\n%s", i+1, line)
		}
	}
	t.Fatal("docs/reference.md has lines that the code does not say; write it with -update")
}

func reference(t *testing.T) string {
	t.Helper()
	s := readSource(t, "../../caddymodule")
	var b strings.Builder
	b.WriteString("# Reference\n\nMade from the code by a test, which also checks it. Change the code, not this page.\n")
	words := func(title, text, list, structure string, by map[string]string) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| word | meaning |\n|---|---|\n", title, text)
		for _, w := range s.words(list) {
			doc, ok := by[w]
			if !ok {
				doc = s.doc(structure, w)
			}
			fmt.Fprintf(&b, "| `%s` | %s |\n", w, cell(doc))
		}
	}
	words("The directive `inbox_webhook`", "`inbox_webhook <path> [<upstream>]`, with a block of these words.", "webhookWords", "Source", map[string]string{
		"secret": "`secret <value> [until <time>] [optional]`, as often as needed. " + s.doc("Source", "secrets"),
		"on":     "`on <types> <upstreams>`, with a block of the words below: a route. " + s.doc("Source", "routes"),
		"to":     "`to <upstreams>`: the route of what no `on` took.",
	})
	words("Words of a route", "In the block of an `on` or a `to`.", "routeWords", "Route", nil)
	words("The global option `inbox`", s.comment("App"), "appWords", "App", map[string]string{
		"storage": s.doc("App", "storage") + " Of the address: " + s.doc("Database", "dsn"),
	})
	words("Words of `storage`", "In the block of `storage postgres`.", "storageWords", "Database", nil)
	fmt.Fprintf(&b, "\n## The directive `inbox_health`\n\n%s\n", s.comment("Health"))
	fmt.Fprintf(&b, "\n## The directive `inbox_admin`\n\n%s\n", s.comment("Operator"))
	words("The directive `inbox_dashboard`", "`inbox_dashboard [<path>/*]`, with a block of these words. "+s.comment("Dashboard"), "dashboardWords", "Dashboard", nil)
	b.WriteString(environmentTable(t))
	b.WriteString("\n## Metrics\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range readSource(t, "../../internal/metrics").metrics() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, strings.Join(m.labels, ", "), cell(m.help))
	}
	b.WriteString("\n## Commands\n\n`inboxgate <command>`, or `caddy inbox <command>` in a Caddy of your own.\n")
	parent := new(cobra.Command)
	caddycmd.Commands()["inbox"].CobraFunc(parent)
	for _, c := range parent.Commands() {
		writeCommand(&b, "", c)
	}
	return b.String()
}

// The reference has every metric that is registered, however it is made.
func TestReferenceHasEveryMetric(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, m := range readSource(t, "../../internal/metrics").metrics() {
		found[m.name] = true
	}
	made := make(chan *prometheus.Desc)
	go func() {
		defer close(made)
		metrics.Process().Describe(made)
		metrics.Gauges{}.Describe(made)
	}()
	for d := range made {
		_, name, _ := strings.Cut(d.String(), `fqName: "`)
		name, _, _ = strings.Cut(name, `"`)
		if !found[name] {
			t.Errorf("%s is registered and not in the reference: make it by counter, histogram, newGauge or newTotal", name)
		}
	}
}

func environmentTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("\n## Environment\n\n| variable | default | meaning |\n|---|---|---|\n")
	row := func(name, byDefault, use string) {
		if strings.ContainsAny(byDefault, "0123456789/") { // A value, not a word about it.
			byDefault = "`" + byDefault + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, byDefault, cell(use))
	}
	row(env.Secret, "required", "the webhook's secret, 16 bytes or more; several, one a line or separated by commas, are all valid")
	row(env.SecretFile, "", "or a file that holds it; a change is picked up within 2 s")
	for _, v := range variables(t) {
		switch v.name {
		case env.Secret, env.SecretFile, env.AdminToken, env.AdminTokenFile: // Here, in more words.
		default:
			row(v.name, v.byDefault, v.use)
		}
	}
	row(env.AdminToken, "", "what callers from other machines must show to the operator's API")
	row(env.AdminTokenFile, "", "or a file that holds it")
	row(env.APIURL, "the platform's", "where the commands `webhooks` find the platform's API")
	row(env.APIKey, "", "the key that they show")
	row(env.APIKeyFile, "", "or a file that holds it")
	return b.String()
}

// writeCommand writes a command that can be run, and those below it.
func writeCommand(b *strings.Builder, above string, c *cobra.Command) {
	if below := c.Commands(); len(below) > 0 {
		for _, one := range below {
			writeCommand(b, above+c.Name()+" ", one)
		}
		return
	}
	fmt.Fprintf(b, "\n### %s%s\n\n`%s%s`. %s.\n", above, c.Name(), above, c.Use, strings.TrimSuffix(c.Short, "."))
	var flags strings.Builder
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		if kind != "" {
			kind = " " + kind
		}
		fmt.Fprintf(&flags, "| `--%s%s` | %s |\n", f.Name, kind, cell(usage))
	})
	if flags.Len() > 0 {
		fmt.Fprintf(b, "\n| flag | meaning |\n|---|---|\n%s", flags.String())
	}
}

// cell is a text as one cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", "\\|")
}
