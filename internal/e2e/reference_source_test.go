package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is the syntax of a package: its comments are the documentation.
type source struct {
	t     *testing.T
	files []*ast.File
}

func readSource(t *testing.T, dir string) source {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	s := source{t: t}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		s.files = append(s.files, f)
	}
	return s
}

func (s source) inspect(visit func(ast.Node)) {
	for _, f := range s.files {
		ast.Inspect(f, func(n ast.Node) bool {
			visit(n)
			return true
		})
	}
}

// words is a list of strings in a variable of that name.
func (s source) words(name string) (all []string) {
	s.t.Helper()
	s.inspect(func(n ast.Node) {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Names[0].Name != name || len(v.Values) != 1 {
			return
		}
		if list, ok := v.Values[0].(*ast.CompositeLit); ok {
			all = texts(list.Elts)
		}
	})
	if len(all) == 0 {
		s.t.Fatalf("no list %s", name)
	}
	return all
}

func (s source) structure(name string) (found *ast.StructType, comment string) {
	s.t.Helper()
	s.inspect(func(n ast.Node) {
		d, ok := n.(*ast.GenDecl)
		if !ok || d.Tok != token.TYPE {
			return
		}
		if spec := d.Specs[0].(*ast.TypeSpec); spec.Name.Name == name {
			found, _ = spec.Type.(*ast.StructType)
			comment = strings.TrimSpace(d.Doc.Text())
		}
	})
	if found == nil || comment == "" {
		s.t.Fatalf("no struct %s with a comment", name)
	}
	return found, comment
}

// comment is that of a struct, which begins with its name.
func (s source) comment(name string) string {
	s.t.Helper()
	_, comment := s.structure(name)
	return "It" + strings.TrimPrefix(comment, name)
}

// doc is the comment of the field that has this name in JSON.
func (s source) doc(structure, word string) string {
	s.t.Helper()
	found, _ := s.structure(structure)
	for _, f := range found.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag, _ := strconv.Unquote(f.Tag.Value)
		if name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ","); name == word && f.Doc != nil {
			return strings.TrimSpace(f.Doc.Text())
		}
	}
	s.t.Fatalf("no comment for %s in %s", word, structure)
	return ""
}

type metric struct {
	name, kind, help string
	labels           []string
}

// metricMakers make a metric of a name, a help text and labels.
var metricMakers = map[string]string{"counter": "counter", "histogram": "histogram", "newGauge": "gauge", "newTotal": "counter"}

func (s source) metrics() (all []metric) {
	s.t.Helper()
	s.inspect(func(n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		maker, ok := call.Fun.(*ast.Ident)
		if !ok || metricMakers[maker.Name] == "" {
			return
		}
		given := texts(call.Args)
		if len(given) < 2 {
			return // The maker's own call.
		}
		m := metric{name: "inbox_" + given[0], kind: metricMakers[maker.Name], help: given[1], labels: given[2:]}
		if call.Ellipsis != token.NoPos {
			m.labels = s.words(call.Args[len(call.Args)-1].(*ast.Ident).Name)
		}
		all = append(all, m)
	})
	if len(all) < 20 {
		s.t.Fatalf("only %d metrics found", len(all))
	}
	slices.SortFunc(all, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	return all
}

// texts are the string literals among some expressions.
func texts(all []ast.Expr) (found []string) {
	for _, e := range all {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if text, err := strconv.Unquote(l.Value); err == nil {
				found = append(found, text)
			}
		}
	}
	return found
}
