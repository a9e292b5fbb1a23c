package e2e

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/inboxgate/inboxgate"

// room is a part of the house: the packages at or below path, and what of ours
// they may import. A pattern ending in /... means everything below as well.
type room struct {
	path  string
	may   []string // may be imported by code and tests
	tests []string // may be imported by tests as well
	caddy bool     // may know Caddy and its logger
	bare  bool     // code may import the standard library only
}

// The most exact path wins. A package in no room is an error, so that each new
// one is given its place here. The same arrows stand in .golangci.yml, where an
// editor shows them.
var house = []room{
	{path: "", may: []string{"caddymodule"}, caddy: true},
	{path: "sidecar", may: []string{"caddymodule", "internal/address", "internal/cli", "internal/env", "internal/instance", "internal/nearest", "internal/spool/postgres", "internal/spool/sqlite"}, tests: []string{"..."}, caddy: true},
	{path: "caddymodule", may: []string{"..."}, caddy: true},
	{path: "verify", bare: true},
	{path: "dedupe"},
	{path: "event", tests: []string{"verify", "dedupe"}},
	{path: "internal/spool", tests: []string{"internal/spool/spooltest/..."}},
	{path: "internal/spool/spooltest", may: []string{"internal/spool", "internal/spool/spooltest/...", "dedupe"}},
	{path: "internal/spool/record", may: []string{"internal/spool"}},
	{path: "internal/spool/postgres", may: []string{"internal/spool", "internal/spool/record"}, tests: []string{"internal/spool/spooltest/...", "internal/overlay", "internal/pgtest"}},
	{path: "internal/spool/sqlite", may: []string{"internal/spool", "internal/spool/record"}, tests: []string{"internal/spool/spooltest/...", "internal/overlay"}},
	{path: "internal/deliver", may: []string{"internal/spool"}, tests: []string{"internal/spool/..."}},
	{path: "internal/platform", may: []string{"event", "verify"}, tests: []string{"internal/platform/..."}},
	{path: "internal/platform/emulator", may: []string{"event", "internal/page", "internal/platform", "verify"}, tests: []string{"internal/testapp"}},
	{path: "internal/access"},
	{path: "internal/control", may: []string{"internal/minutes", "internal/platform", "internal/spool"}, tests: []string{"internal/pgtest", "internal/spool/..."}},
	{path: "internal/address"},
	{path: "internal/body"},
	{path: "internal/cli", may: []string{"event", "internal/access", "internal/cli/...", "internal/control", "internal/dashboard", "internal/diagnose", "internal/env", "internal/instance", "internal/nearest", "internal/platform/...", "internal/spool/postgres", "internal/spool/sqlite", "internal/storecopy", "verify"}, tests: []string{"internal/minutes", "internal/pgtest", "internal/spool/..."}},
	{path: "internal/cli/term", tests: []string{"internal/proctest"}},
	{path: "internal/audit", may: []string{"internal/deliver", "internal/metrics", "internal/spool"}},
	{path: "internal/condition", may: []string{"internal/nearest"}},
	{path: "internal/connections"},
	{path: "internal/demo", may: []string{"event", "internal/cli/...", "internal/control", "internal/dashboard", "internal/demo/...", "internal/env", "internal/instance", "internal/page", "internal/platform/...", "internal/spool/sqlite", "internal/testapp", "verify"}, tests: []string{"caddymodule", "internal/proctest"}, caddy: true},
	{path: "internal/demo/desk", may: []string{"event", "verify", "internal/page", "internal/platform/emulator", "internal/testapp"}, tests: []string{"internal/platform"}},
	{path: "internal/diagnose", may: []string{"verify"}},
	{path: "internal/env", may: []string{"verify"}},
	{path: "internal/firm"},
	{path: "internal/handlers"},
	{path: "internal/idmemory", may: []string{"dedupe", "internal/spool"}},
	{path: "internal/instance"},
	{path: "internal/orderkey"},
	{path: "internal/overlay"},
	{path: "internal/pictures", may: []string{"internal/control", "internal/env"}},
	{path: "internal/nearest"},
	{path: "internal/page", bare: true},
	{path: "internal/dashboard", may: []string{"internal/control", "internal/page"}, tests: []string{"internal/minutes", "internal/spool/..."}},
	{path: "internal/metrics", may: []string{"verify", "internal/minutes", "internal/spool", "internal/deliver"}},
	{path: "internal/minutes"},
	{path: "internal/loghandler"},
	{path: "internal/routing", may: []string{"event", "internal/condition", "internal/nearest", "internal/orderkey", "internal/spool"}},
	{path: "internal/secrets", may: []string{"internal/diagnose", "internal/loghandler", "verify"}},
	{path: "internal/settings", may: []string{"internal/body", "internal/deliver", "internal/handlers", "internal/routing"}},
	{path: "internal/storecopy", may: []string{"internal/spool", "internal/spool/postgres", "internal/spool/record", "internal/spool/sqlite"}, tests: []string{"internal/pgtest"}},
	{path: "internal/storage", may: []string{"dedupe", "internal/deliver", "internal/env", "internal/loghandler", "internal/metrics", "internal/minutes", "internal/nearest", "internal/spool", "internal/spool/postgres", "internal/spool/sqlite"}, tests: []string{"internal/pgtest"}},
	{path: "internal/upstream", may: []string{"internal/deliver", "internal/env", "internal/spool", "internal/via"}},
	{path: "internal/via"},
	{path: "internal/tracing", may: []string{"internal/deliver"}},
	{path: "internal/bench", may: []string{"..."}, caddy: true},
	{path: "internal/proof", may: []string{"..."}},
	{path: "internal/e2e", tests: []string{"..."}, caddy: true},
	{path: "internal/pgtest"},
	{path: "internal/proctest"},
	{path: "internal/testapp"},
	{path: "examples", may: []string{"verify", "dedupe", "event"}, tests: []string{"internal/platform/...", "internal/proctest"}},
}

// imports of a package, by the files they stand in.
type imports struct{ code, tests []string }

func TestArrows(t *testing.T) {
	t.Parallel()
	listed := make(map[string]bool)
	for _, r := range house {
		if listed[r.path] {
			t.Errorf("%s has two rooms in the house", r.path)
		}
		listed[r.path] = true
	}
	found, err := read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"dedupe", "verify", "internal/spool"} {
		if _, ok := found[want]; !ok {
			t.Errorf("package %s was not found: the walk is wrong", want)
		}
	}
	for _, bad := range broken(found) {
		t.Error(bad)
	}
}

// broken lists the arrows that the house does not have.
func broken(found map[string]imports) (bad []string) {
	for _, pkg := range slices.Sorted(maps.Keys(found)) {
		r, ok := roomOf(pkg)
		if !ok {
			bad = append(bad, fmt.Sprintf("%s: the house has no room for it", pkg))
			continue
		}
		for _, to := range found[pkg].code {
			if why := r.forbids(pkg, to, false); why != "" {
				bad = append(bad, fmt.Sprintf("%s -> %s: %s", pkg, to, why))
			}
		}
		for _, to := range found[pkg].tests {
			if why := r.forbids(pkg, to, true); why != "" {
				bad = append(bad, fmt.Sprintf("%s (test) -> %s: %s", pkg, to, why))
			}
		}
	}
	return bad
}

func roomOf(pkg string) (best room, ok bool) {
	for _, r := range house {
		inside := pkg == r.path || r.path != "" && strings.HasPrefix(pkg, r.path+"/")
		if inside && (!ok || len(r.path) > len(best.path)) {
			best, ok = r, true
		}
	}
	return best, ok
}

// forbids says why pkg may not import to, or nothing.
func (r room) forbids(pkg, to string, test bool) string {
	ours, own := strings.CutPrefix(to, module+"/")
	if to == module {
		ours, own = "", true
	}
	first, _, _ := strings.Cut(to, "/")
	switch {
	case own && ours == pkg: // an external test of its own package
	case own && matches(r.may, ours):
	case own && test && matches(r.tests, ours):
	case own:
		return "not an arrow of the house"
	case !r.caddy && (under(to, "github.com/caddyserver") || under(to, "go.uber.org/zap")):
		return "only caddymodule, the demo and what is above them know Caddy"
	case r.bare && !test && strings.Contains(first, "."):
		return "standard library only"
	}
	return ""
}

func under(pkg, parent string) bool {
	return pkg == parent || strings.HasPrefix(pkg, parent+"/")
}

func matches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if parent, ok := strings.CutSuffix(p, "/..."); ok {
			return under(pkg, parent)
		}
		return p == "..." || p == pkg
	})
}

// read finds the imports of every package of this module, whatever system or
// build tag its files are for.
func read(tree fs.FS) (map[string]imports, error) {
	found := map[string]imports{}
	err := fs.WalkDir(tree, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return enter(tree, name)
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return fmt.Errorf("reading source: %w", err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(name), text, parser.ImportsOnly)
		if err != nil {
			return fmt.Errorf("parsing imports: %w", err)
		}
		pkg := strings.TrimPrefix(path.Dir(name), ".")
		in := found[pkg]
		for _, spec := range file.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("parsing imports of %s: %w", name, err)
			}
			if strings.HasSuffix(name, "_test.go") {
				in.tests = append(in.tests, to)
			} else {
				in.code = append(in.code, to)
			}
		}
		found[pkg] = in
		return nil
	})
	return found, err
}

// enter skips what go build skips, and modules of their own.
func enter(tree fs.FS, dir string) error {
	base := path.Base(dir)
	if dir == "." {
		return nil
	}
	if base[0] == '.' || base[0] == '_' || base == "testdata" || base == "vendor" || base == "node_modules" {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}
