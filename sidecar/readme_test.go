package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/inboxgate/inboxgate/sidecar/sidecartest"
)

var fence = regexp.MustCompile("(?ms)^```(\\w+)\\n(.*?)^```$")

// blocks of the README in that language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	raw, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range fence.FindAllStringSubmatch(string(raw), -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	return found
}

// Every command of the README works as it stands there, but for the one that
// runs the tests, this one among them.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	scripts := blocks(t, "sh")
	if len(scripts) < 4 {
		t.Fatalf("%d scripts found", len(scripts))
	}
	dir := t.TempDir()
	bin, err := sidecartest.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, script := range scripts {
		if strings.HasPrefix(script, "go test ") {
			continue
		}
		// Not by the script's first line: the name is in the path of the directory.
		t.Run("script "+strconv.Itoa(i+1), func(t *testing.T) {
			t.Parallel()
			// Written files go elsewhere; go still finds the module.
			work := t.TempDir()
			script = strings.NewReplacer("127.0.0.1:4000", sidecartest.FreeAddress(t), "127.0.0.1:8080", sidecartest.FreeAddress(t),
				"127.0.0.1:3000", sidecartest.FreeAddress(t), "-o inboxgate", "-o "+filepath.Join(work, "inboxgate"), "body.json", filepath.Join(work, "body.json")).Replace(script)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "sh", "-euc", script)
			cmd.WaitDelay = time.Second // What it left in the background may hold its output.
			cmd.Dir = ".."
			// The port of probes is the same for all, and another test may have it.
			cmd.Env = append(os.Environ(), "INBOX_OPS_LISTEN=off", "PATH="+filepath.Dir(bin)+string(os.PathListSeparator)+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestReadmeCaddyfiles(t *testing.T) {
	t.Parallel()
	files := blocks(t, "caddy")
	if len(files) < 2 {
		t.Fatalf("%d Caddyfiles found", len(files))
	}
	for _, file := range files {
		if _, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(file), map[string]any{"filename": "README.md"}); err != nil || len(warnings) > 0 {
			t.Errorf("%v %v\n%s", err, warnings, file)
		}
	}
}

// The table of variables in the README is the one of the program's help.
func TestReadmeVariables(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names() {
		if !strings.Contains(string(raw), "`"+name+"`") && !strings.Contains(string(raw), "`"+name[strings.LastIndex(name, "_"):]+"`") {
			t.Errorf("the README lacks %s", name)
		}
	}
}
