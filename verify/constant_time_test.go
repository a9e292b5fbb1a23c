package verify

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

// How long a comparison takes cannot be measured on a busy machine, but it can
// be read: every signature is compared with every secret, by crypto/subtle, and
// no loop over them ends early.
func TestComparisonsEndAtNoDifference(t *testing.T) {
	t.Parallel()
	compared := 0
	for file, function := range map[string]string{"signer.go": "signed", "verify.go": "Verify"} {
		for _, loop := range loopsOf(t, file, function) {
			ast.Inspect(loop, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ReturnStmt:
					t.Errorf("%s: a loop of %s returns", file, function)
				case *ast.BranchStmt:
					if n.Tok != token.CONTINUE {
						t.Errorf("%s: a loop of %s has a %s", file, function, n.Tok)
					}
				case *ast.SelectorExpr:
					if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "subtle" && n.Sel.Name == "ConstantTimeCompare" {
						compared++
					}
					if n.Sel.Name == "Equal" {
						t.Errorf("%s: a loop of %s compares by Equal", file, function)
					}
				}
				return true
			})
		}
	}
	if compared != 1 {
		t.Errorf("%d comparisons in constant time, want 1", compared)
	}
}

// loopsOf are the loops of a function or method, of which there must be one.
func loopsOf(t *testing.T, file, function string) (loops []ast.Node) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != function {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if _, ok := n.(*ast.RangeStmt); ok {
				loops = append(loops, n)
			}
			if _, ok := n.(*ast.ForStmt); ok {
				loops = append(loops, n)
			}
			return true
		})
	}
	if len(loops) != 1 {
		t.Fatalf("%s: %d loops in %s, want 1: this test must follow the source", file, len(loops), function)
	}
	return loops
}
