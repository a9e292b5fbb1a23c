package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestCatalogueIsWhole(t *testing.T) {
	t.Parallel()
	if err := validate(catalogue()); err != nil {
		t.Error(err)
	}
}

func TestValidateCatches(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func([]row) []row{
		"a row less":     func(all []row) []row { return all[1:] },
		"a row twice":    func(all []row) []row { return append(all, all[0]) },
		"a row too many": func(all []row) []row { return append(all, row{n: lastRow + 1, fault: "f", expect: "e", why: "w"}) },
		"neither":        func(all []row) []row { all[3].tests, all[3].why = nil, " "; return all },
		"both":           func(all []row) []row { all[3].why = "because"; return all },
		"no words":       func(all []row) []row { all[3].expect = ""; return all },
	} {
		if err := validate(spoil(catalogue())); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Every test that is named stands in the sources of its package, and so does
// the name of a subtest, there or in the contract's cases.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	found := make(map[string]*sources)
	look := func(pkg string) *sources {
		if found[pkg] == nil {
			found[pkg] = readSources(t, filepath.Join("..", "..", filepath.FromSlash(pkg)))
		}
		return found[pkg]
	}
	named := make([]test, 0, 200)
	for _, r := range catalogue() {
		named = append(named, r.tests...)
	}
	for _, c := range checkers {
		named = append(named, c.test)
	}
	for _, n := range named {
		src := look(n.pkg)
		if !src.tests[n.function()] {
			t.Errorf("%s has no test %s", n.pkg, n.function())
		}
		_, sub, ok := strings.Cut(n.name, "/")
		if ok && !src.texts[sub] && !look(contract).texts[sub] {
			t.Errorf("%s: nothing is named %q", n.pkg, sub)
		}
	}
}

// No test of a fault is forgotten.
func TestEveryFaultIsNamed(t *testing.T) {
	t.Parallel()
	for dir, pkg := range map[string]string{"faults": faults, "shared": several} {
		for name := range readSources(t, dir).tests {
			if !strings.HasPrefix(name, "TestFault") {
				continue
			}
			if !slices.ContainsFunc(catalogue(), func(r row) bool { return slices.Contains(r.tests, test{pkg, name}) }) {
				t.Errorf("no row names %s of %s", name, pkg)
			}
		}
	}
}

// sources are the test functions and the strings of a directory.
type sources struct{ tests, texts map[string]bool }

func readSources(t *testing.T, dir string) *sources {
	t.Helper()
	s := &sources{tests: make(map[string]bool), texts: make(map[string]bool)}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, f.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && strings.HasPrefix(n.Name.Name, "Test") && strings.HasSuffix(f.Name(), "_test.go") {
					s.tests[n.Name.Name] = true
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					s.texts[text] = true
				}
			}
			return true
		})
	}
	return s
}
