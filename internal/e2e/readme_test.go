package e2e

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

	"github.com/inboxgate/inboxgate/internal/proctest"
)

var fence = regexp.MustCompile("(?ms)^```(\\w+)\\n(.*?)^```$")

// blocks of the README in that language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	raw, err := os.ReadFile("../../README.md")
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
	bin := readmeProgram(t)
	for i, script := range scripts {
		if strings.HasPrefix(script, "go test ") || strings.Contains(script, "initdb") {
			continue // TestReadmeTwoMachines runs the latter.
		}
		t.Run("script "+strconv.Itoa(i+1), func(t *testing.T) {
			t.Parallel()
			runScript(t, bin, script)
		})
	}
}

// The section about several machines works as it stands there, and shows what it
// says: of two copies one is accepted.
func TestReadmeTwoMachines(t *testing.T) {
	t.Parallel()
	var script string
	for _, s := range blocks(t, "sh") {
		if strings.Contains(s, "initdb") {
			script = s
		}
	}
	if script == "" {
		t.Fatal("the block is gone")
	}
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); len(found) == 0 {
		proctest.Needs(t, "initdb") // Debian's is not in the PATH: this skips, or fails.
	}
	out := runScript(t, readmeProgram(t), script)
	if strings.Count(out, " accepted") != 1 || strings.Count(out, " duplicate") != 1 {
		t.Errorf("two copies of an event:\n%s", out)
	}
}

// readmeProgram builds the program that the README's commands find in the PATH.
func readmeProgram(t *testing.T) (path string) {
	t.Helper()
	path, err := proctest.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// runScript runs commands of the README from where they are pasted, with other ports,
// and returns what they print.
func runScript(t *testing.T, bin, script string) string {
	t.Helper()
	// Written files go elsewhere; go still finds the module.
	work := t.TempDir()
	script = strings.NewReplacer("127.0.0.1:4000", proctest.FreeAddress(t), "127.0.0.1:8080", proctest.FreeAddress(t),
		"127.0.0.1:8081", proctest.FreeAddress(t), "127.0.0.1:3000", proctest.FreeAddress(t),
		"-o inboxgate", "-o "+filepath.Join(work, "inboxgate"), "body.json", filepath.Join(work, "body.json")).Replace(script)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-euc", script)
	cmd.WaitDelay = time.Second // What it left in the background may hold its output.
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(bin)+string(os.PathListSeparator)+os.Getenv("PATH"),
		"INBOX_OPS_LISTEN="+proctest.FreeAddress(t), "XDG_RUNTIME_DIR="+work, "XDG_DATA_HOME="+work) // Another inboxgate of this machine has the usual one.
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}

// Where inboxgate is not in the PATH, or ends at once, the block for local
// development ends as well: nothing waits for it for ever.
func TestReadmeLocalDevelopmentEnds(t *testing.T) {
	t.Parallel()
	var script string
	for _, s := range blocks(t, "sh") {
		if strings.Contains(s, "inboxgate emulator") {
			script = s
		}
	}
	if script == "" {
		t.Fatal("the block is gone")
	}
	for name, inboxgate := range map[string]string{"missing": "", "ends at once": "#!/bin/sh\nexit 1\n", "no gate": "#!/bin/sh\ncase $1 in emulator) exec sleep 600;; webhooks) exit 0;; esac\nexit 1\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bin := t.TempDir()
			for _, tool := range []string{"mktemp", "rm", "sleep", "awk", "curl"} {
				path, err := exec.LookPath(tool)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
					t.Fatal(err)
				}
			}
			if inboxgate != "" {
				if err := os.WriteFile(filepath.Join(bin, "inboxgate"), []byte(inboxgate), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, "/bin/sh", "-c", script) // As it is pasted: without -e.
			cmd.WaitDelay = time.Second
			cmd.Env = []string{"PATH=" + bin, "TMPDIR=" + bin}
			out, err := cmd.CombinedOutput()
			if ctx.Err() != nil {
				t.Fatalf("it does not end: %.2000s", out)
			}
			if err == nil {
				t.Errorf("it ends as if all were well: %s", out)
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
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variables(t) {
		name := v.name
		if !strings.Contains(string(raw), "`"+name+"`") && !strings.Contains(string(raw), "`"+name[strings.LastIndex(name, "_"):]+"`") {
			t.Errorf("the README lacks %s", name)
		}
	}
}
