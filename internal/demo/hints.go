package demo

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/cli"
	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/instance"
)

// invocation returns how the user can run a command of this very program from where
// they are: by its name if the shell finds it by that, else by its path, and
// after "go run", which removes the program when it ends, by that again.
func invocation() string {
	self, err := os.Executable()
	if err != nil {
		return programName()
	}
	tree := " " + cli.Group
	if caddy.CustomBinaryName == cli.Sidecar {
		tree = ""
	}
	info, ok := debug.ReadBuildInfo()
	if ok && byGoRun(self) {
		return "go run ." + strings.TrimPrefix(info.Path, info.Main.Path) + tree
	}
	name := filepath.Base(self)
	if found, err := exec.LookPath(name); err == nil && same(found, self) {
		return name + tree
	}
	return term.ShellWord(self) + tree
}

// byGoRun reports whether "go run" has built the program: it does so in a directory of
// its own.
func byGoRun(self string) bool {
	dir := filepath.Dir(self)
	return filepath.Base(dir) == "exe" && strings.Contains(dir, string(filepath.Separator)+"go-build")
}

// same reports whether two paths name one file.
func same(a, b string) bool {
	one, err1 := os.Stat(a)
	other, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(one, other)
}

// hints prints where to look, and then what may be done beside a demo that keeps
// running.
func (d *demo) hints() {
	d.say("")
	for i, l := range d.links() {
		name := fmt.Sprintf("%-9s", l.Name)
		if i == 0 {
			name = d.paint.Bold(name)
		}
		d.say("  %s  %s  %s", name, l.URL, l.what)
	}
	run, id := invocation(), d.platform.webhook.ID
	d.say("\n%s Ctrl-C ends it. %s In another terminal:", d.paint.Bold("It all keeps running for your own events."), explains)
	for _, line := range []string{
		run + " status",
		run + " events list",
		run + " dead list",
		run + " routes hold " + appRoute,
		run + " trigger all --to " + d.gate.url + " --duplicate",
		run + " webhooks test " + id + " --type message.failed",
	} {
		d.command(line)
	}
	d.say("trigger and webhooks read these:")
	d.command("export " + env.APIURL + "=" + d.platform.client.BaseURL)
	d.command("export " + env.APIKeyFile + "=" + term.ShellWord(d.gate.keyFile))
	d.command("export " + env.SecretFile + "=" + term.ShellWord(d.gate.secretFile))
	if len(instance.Running(instance.Directories())) > 1 {
		d.say("Another inboxgate runs here; this one is meant by:")
		d.command("export " + env.Admin + "=" + term.ShellWord("unix/"+d.gate.socket))
	}
	d.say("The configuration: %s\n", filepath.Join(d.gate.dir, "Caddyfile"))
}

// command prints a line that can be pasted into a shell.
func (d *demo) command(line string) { d.write(term.Wrap("  "+line, 6, ` \`)) }
