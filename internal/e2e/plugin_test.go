package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

const modulePath = "github.com/inboxgate/inboxgate"

// pluginMain is what xcaddy generates for --with.
const pluginMain = `package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ %q
)

func main() { caddycmd.Main() }
`

// A Caddy with nothing of ours but the modules, under both of the paths that
// xcaddy may be given.
func TestPluginInAPlainCaddy(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("links Caddy twice")
	}
	for _, path := range []string{modulePath, modulePath + "/caddymodule"} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			bin := buildPlugin(t, path)
			caddy := func(env []string, args ...string) *exec.Cmd {
				dir := t.TempDir()
				cmd := exec.CommandContext(t.Context(), bin, args...)
				cmd.Dir, cmd.Env = dir, proctest.Env(dir, append(env, "INBOX_DATA_DIR="+dir)...)
				return cmd
			}
			code, out := run(t, caddy(nil, "list-modules"))
			for _, module := range []string{"http.handlers.inbox_webhook", "inbox"} {
				if code != 0 || !strings.Contains(out, "\n"+module+"\n") {
					t.Errorf("exit code %d, %s is not listed", code, module)
				}
			}
			example, err := filepath.Abs("../../Caddyfile.example")
			if err != nil {
				t.Fatal(err)
			}
			secret := []string{"INBOX_WEBHOOK_SECRET=" + newSecret}
			for _, what := range []string{"adapt", "validate"} {
				code, out := run(t, caddy(secret, what, "--config", example, "--adapter", "caddyfile"))
				if code != 0 || strings.Contains(out, newSecret) {
					t.Errorf("%s: exit code %d:\n%s", what, code, out)
				}
			}
		})
	}
}

// buildPlugin builds offline, from the module cache and this checkout.
func buildPlugin(t *testing.T, path string) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	// The same versions as ours, so that the cache has them.
	mod := bytes.Replace(ours, []byte("module "+modulePath+"\n"), []byte("module caddy\n"), 1)
	mod = fmt.Appendf(mod, "\nrequire %s v0.0.0\n\nreplace %[1]s => %q\n", modulePath, root)
	dir := t.TempDir()
	for name, text := range map[string][]byte{
		"go.mod": mod, "go.sum": sums, "main.go": fmt.Appendf(nil, pluginMain, path),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	bin := filepath.Join(dir, "caddy")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "-ldflags", "-s -w", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -mod=mod", "GOPROXY=off", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building Caddy with %s: %v\n%s", path, err, out)
	}
	return bin
}
