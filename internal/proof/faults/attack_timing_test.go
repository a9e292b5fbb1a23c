package faults

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/verify"
)

// stopEarly are functions that stop at the first difference.
var stopEarly = []string{
	"bytes.Equal", "bytes.Compare", "bytes.HasPrefix", "bytes.EqualFold", "strings.Compare", "strings.EqualFold",
	"slices.Equal", "slices.Compare", "reflect.DeepEqual", "cmp.Compare",
}

// earlyComparisons are the places of a source at which a signature, or the sum
// that it must equal, is compared with an early end; constant counts the others.
func earlyComparisons(t *testing.T, name string, src any) (early []string, constant int) {
	t.Helper()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			text := types.ExprString(n)
			counts := strings.Contains(text, ".n") || strings.Contains(text, "len(") || strings.Contains(text, "nil")
			if (n.Op == token.EQL || n.Op == token.NEQ) && ofSum(text) && !counts {
				early = append(early, files.Position(n.Pos()).String()+": "+text)
			}
		case *ast.CallExpr:
			name := types.ExprString(n.Fun)
			if name == "subtle.ConstantTimeCompare" || name == "hmac.Equal" {
				constant++
			}
			if slices.Contains(stopEarly, name) {
				early = append(early, files.Position(n.Pos()).String()+": "+name)
			}
		}
		return true
	})
	return early, constant
}

func ofSum(expression string) bool {
	for _, word := range []string{"sum", "want", "mac", "signature", "digest"} {
		if strings.Contains(strings.ToLower(expression), word) {
			return true
		}
	}
	return false
}

// A signature is compared in constant time and in no other way. That is a rule
// for the source: a machine that others use measures no nanoseconds.
func TestFaultTimingOfTheCompare(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob(filepath.Join("..", "..", "..", "verify", "*.go"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no source to look at: %v", err)
	}
	constant := 0
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		bad, n := earlyComparisons(t, name, nil)
		constant += n
		for _, place := range bad {
			t.Errorf("%s ends at the first difference", place)
		}
	}
	if constant == 0 {
		t.Error("nothing is compared in constant time")
	}
	for _, broken := range []string{"bytes.Equal(want, sent)", "string(want) == sent", "st.sum != sums[i]"} {
		if bad, _ := earlyComparisons(t, "broken.go", "package p\nvar x = "+broken); len(bad) == 0 {
			t.Errorf("%s is not noticed", broken)
		}
	}
	line := history.Line{Rows: []int{45}, Fault: "a comparison that ends at the first difference", Test: t.Name(), Rounds: len(sources), Failed: t.Failed()}
	if err := rig.Tell(line); err != nil {
		t.Error(err)
	}
}

// The three take the same time, as nothing depends on where a digit is wrong.
func BenchmarkCompare(b *testing.B) {
	v, err := verify.New(verify.Key(rig.Secret))
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"id":"evt_1","type":"message.read"}`)
	right := rig.Sign(body)
	flip := func(i int) string {
		digit := byte('0')
		if right[i] == digit {
			digit = '1'
		}
		return right[:i] + string(digit) + right[i+1:]
	}
	for name, signature := range map[string]string{
		"right": right, "first digit wrong": flip(len("sha256=")), "last digit wrong": flip(len(right) - 1),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = v.Verify(body, signature)
			}
		})
	}
}
