package overlay

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Mutant is a mistake that a package could be making, and the tests of the package that
// must see it.
type Mutant struct {
	// Name says what is wrong then.
	Name string
	// Change is what the source would be. In each New, Chosen stands for "this mutant
	// was asked for". With several replacements a mistake takes all of them.
	Change []Replacement
	// Tests are names as t.Run has them, with slashes.
	Tests []string
}

// Chosen stands in a replacement for "this mutant was asked for". The package's tests
// declare a variable mutant, which holds the name of the one that was.
const Chosen = "CHOSEN"

// Hunt checks that each mutant is seen by each of its tests. All mistakes are in one
// build, so that one compilation pays for them, and the build without one chosen passes:
// no mutant fails for what the overlay does besides. The variable of the environment
// chooses.
func Hunt(t *testing.T, variable string, mutants []Mutant) {
	t.Helper()
	bin := buildMutants(t, mutants)
	seen := map[string]bool{}
	for _, m := range mutants {
		for _, test := range m.Tests {
			seen[test] = true
			t.Run(m.Name+" is seen by "+test, func(t *testing.T) {
				t.Parallel()
				if out, err := runMutant(t, bin, variable+"="+m.Name, test, triesToSee); !fails(out, err, test) {
					t.Errorf("the test passed, or something else failed: %v\n%s", err, out)
				}
			})
		}
	}
	for test := range seen {
		t.Run("none in "+test, func(t *testing.T) {
			t.Parallel()
			if out, err := runMutant(t, bin, variable+"=", test, 1); err != nil || !strings.Contains(out, "--- PASS: "+testName(test)+" (") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// buildMutants builds the tests of the package in the working directory.
func buildMutants(t *testing.T, mutants []Mutant) (bin string) {
	t.Helper()
	var all []Replacement
	for _, m := range mutants {
		for _, r := range m.Change {
			if !strings.Contains(r.New, Chosen) {
				t.Fatalf("%q changes the build without being chosen", m.Name)
			}
			r.New = strings.ReplaceAll(r.New, Chosen, "(mutant == "+strconv.Quote(m.Name)+")")
			all = append(all, r)
		}
	}
	dir := t.TempDir()
	list, err := Write(dir, all)
	if err != nil {
		t.Fatal(err)
	}
	bin = filepath.Join(dir, "mutants.test")
	if out, err := exec.Command("go", "test", "-c", "-ldflags=-s -w", "-overlay", list, "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the mutants: %v\n%s", err, out)
	}
	return bin
}

// Some mistakes are seen only if goroutines meet in a certain way. So many times a test
// may try to see one.
const triesToSee = 3

// runMutant runs one test of the build, until it fails or has been tried so many times.
func runMutant(t *testing.T, bin, choice, test string, tries int) (out string, err error) {
	t.Helper()
	parts := strings.Split(testName(test), "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	for ; tries > 0 && err == nil; tries-- {
		cmd := exec.CommandContext(t.Context(), bin, "-test.v", "-test.timeout=5m", "-test.run", strings.Join(parts, "/"))
		cmd.Env = append(os.Environ(), choice)
		var b []byte
		b, err = cmd.CombinedOutput()
		out = string(b)
	}
	return out, err
}

// fails reports whether that test failed, rather than the process some other way.
func fails(out string, err error, test string) bool {
	return err != nil && strings.Contains(out, "--- FAIL: "+testName(test)+" (")
}

// testName returns the name of a test as the testing package writes it.
func testName(test string) string { return strings.ReplaceAll(test, " ", "_") }
