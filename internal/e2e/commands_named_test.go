package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	_ "github.com/inboxgate/inboxgate/caddymodule" // Registers the commands.
)

// named is a command as documents write one: in backquotes, after a slash as in
// the image, or in an indented line.
var named = regexp.MustCompile("(?m)(?:`|/|^ {4}(?:[^`\\n]* )?)inboxgate ([a-z][a-z-]*[^`\\n|]*)")

// Every command that a document names exists, with all of its flags.
func TestDocumentsNameCommandsThatExist(t *testing.T) {
	t.Parallel()
	root := new(cobra.Command)
	caddycmd.Commands()["inbox"].CobraFunc(root)
	found := 0
	for _, path := range documents(t) {
		if !strings.HasSuffix(path, ".md") || strings.HasSuffix(path, "reference.md") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			found++
			if why := unknownCommand(root, strings.Fields(m[1])); why != "" {
				t.Errorf("%s: inboxgate %s: %s", path, m[1], why)
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d commands found", found)
	}
}

func TestUnknownCommand(t *testing.T) {
	t.Parallel()
	root := new(cobra.Command)
	caddycmd.Commands()["inbox"].CobraFunc(root)
	for line, ok := range map[string]bool{
		"routes list": true, "validate --config Caddyfile": true, "dead replay --route x --dry-run": true, "store": true,
		"rotes list": false, "routes lst": false, "dead replay --rote x": false,
	} {
		if why := unknownCommand(root, strings.Fields(line)); (why == "") != ok {
			t.Errorf("%s: %q", line, why)
		}
	}
}

// unknownCommand says what of a command line does not exist.
func unknownCommand(root *cobra.Command, words []string) string {
	cmd := root
	for i, w := range words {
		if flag, ok := strings.CutPrefix(w, "--"); ok {
			flag, _, _ = strings.Cut(strings.TrimRight(flag, ".,;:"), "=")
			if cmd != root && flag != "help" && cmd.Flag(flag) == nil && cmd.InheritedFlags().Lookup(flag) == nil {
				return "no flag --" + flag
			}
			continue
		}
		if !cmd.HasSubCommands() {
			continue // An argument.
		}
		below, _, err := cmd.Find([]string{w})
		switch {
		case err == nil && below != cmd:
			cmd = below
		case i == 0:
			if _, ok := caddycmd.Commands()[w]; !ok && w != "help" && w != "completion" {
				return "no command " + w
			}
			return "" // One of Caddy's.
		case !strings.Contains(w, `\`): // A table writes a choice so.
			return "no command " + w + " below " + cmd.Name()
		}
	}
	return ""
}
