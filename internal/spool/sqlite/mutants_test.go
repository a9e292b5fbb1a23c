package sqlite

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/overlay"
)

// mutant is the name of the mistake that this process makes. The product does
// not know it: what reads it is laid over the source by TestMutants, for a build
// of this package's tests alone. Empty, the build behaves as the source says.
var mutant = os.Getenv(mutantEnv) //nolint:unused // What is laid over the source reads it.

const (
	mutantEnv = "SPOOL_MUTANT"
	here      = "internal/spool/sqlite/"
	// chosen stands in a replacement for "this mutant was asked for".
	chosen = "CHOSEN"
)

// mutants are mistakes that this engine could be making, each with the tests
// that must see it. With several replacements a mistake takes all of them.
var mutants = []struct {
	name   string
	change []overlay.Replacement
	tests  []string
}{
	{
		"200 before the fsync",
		[]overlay.Replacement{{
			File: here + "commit.go", Old: "w.setSynchronous(durable)", New: "w.setSynchronous(durable && !CHOSEN)",
		}},
		[]string{
			"TestContract/an accept survives every end",
			"TestContract/an accept is answered after its sync",
		},
	},
	{
		"settles are not fenced",
		[]overlay.Replacement{{
			File: here + "lease.go", Old: "mine.fence != l.Fence {", New: "mine.fence != l.Fence && !CHOSEN {",
		}},
		[]string{"TestContract/leases are fenced"},
	},
	{
		"the log is believed as found",
		[]overlay.Replacement{{
			File: here + "open.go", Old: "func (w *writer) recoverLog() (whole bool, err error) {\n",
			New: "func (w *writer) recoverLog() (whole bool, err error) {\n\tif CHOSEN {\n\t\treturn false, nil\n\t}\n",
		}},
		[]string{"TestContract/a failed sync is not believed after a restart"},
	},
	{
		"the id is committed before the event",
		[]overlay.Replacement{{
			File: here + "accept.go", Old: "\treturn a.store(w, src)\n",
			New: "\tif CHOSEN {\n\t\treturn w.claim(idKey{src.id, a.Event.ID}, knownID{a.Event.Digest, w.seq})\n\t}\n\treturn a.store(w, src)\n",
		}, {
			File: here + "accept.go", Old: ", a.decide)\n",
			New: ", a.decide)\n\tif CHOSEN && err == nil && a.receipt.Verdict == 0 {\n" +
				"\t\terr = s.submit(ctx, true, 0, func(w *writer) error { return a.store(w, w.sources[in.Event.Source]) })\n\t}\n",
		}},
		[]string{"TestContract/an accept is whole wherever it is stopped"},
	},
	{
		"an index that another process keeps is believed",
		[]overlay.Replacement{{
			File: here + "log_renew.go", Old: "\treturn x.invalidate()\n", New: "\tif CHOSEN {\n\t\treturn nil\n\t}\n\treturn x.invalidate()\n",
		}},
		[]string{"TestPowerCutBesideAReaderThatStays"},
	},
	{
		"the newest ids are not read back",
		[]overlay.Replacement{{
			File: here + "open.go", Old: "\tif err := w.readRecentIDs(); err != nil {\n\t\treturn err\n\t}\n",
			New: "\tif err := w.readRecentIDs(); err != nil {\n\t\treturn err\n\t}\n\tif CHOSEN {\n\t\tw.recent = recentIDs{gathering: newGeneration()}\n\t}\n",
		}},
		[]string{"TestContract/an accept survives every end"},
	},
	{
		"the watermark is not kept",
		[]overlay.Replacement{{
			File: here + "ids_forget.go", Old: "mark > src.watermark {", New: "mark > src.watermark && !CHOSEN {",
		}},
		[]string{"TestContract/a raised window makes nothing fresh"},
	},
}

// TestMutants: the tests see the mistakes that this engine could be making, each
// by the name of the promise it breaks. All mistakes are in one build, so that
// one compilation pays for them, and the build without one chosen passes: no
// mutant fails for what the overlay does besides.
func TestMutants(t *testing.T) {
	t.Parallel()
	bin := buildMutants(t)
	seen := map[string]bool{}
	for _, m := range mutants {
		for _, test := range m.tests {
			seen[test] = true
			t.Run(m.name+" is seen by "+test, func(t *testing.T) {
				t.Parallel()
				if out, err := runMutant(t, bin, m.name, test); !fails(out, err, test) {
					t.Errorf("the test passed, or something else failed: %v\n%s", err, out)
				}
			})
		}
	}
	for test := range seen {
		t.Run("none in "+test, func(t *testing.T) {
			t.Parallel()
			if out, err := runMutant(t, bin, "", test); err != nil || !strings.Contains(out, "--- PASS: "+testName(test)+" (") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func buildMutants(t *testing.T) (bin string) {
	t.Helper()
	var all []overlay.Replacement
	for _, m := range mutants {
		for _, r := range m.change {
			if !strings.Contains(r.New, chosen) {
				t.Fatalf("%q changes the build without being chosen", m.name)
			}
			r.New = strings.ReplaceAll(r.New, chosen, "(mutant == "+strconv.Quote(m.name)+")")
			all = append(all, r)
		}
	}
	dir := t.TempDir()
	list, err := overlay.Write(dir, all)
	if err != nil {
		t.Fatal(err)
	}
	bin = filepath.Join(dir, "sqlite.test")
	if out, err := exec.Command("go", "test", "-c", "-ldflags=-s -w", "-overlay", list, "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the mutants: %v\n%s", err, out)
	}
	return bin
}

// Some mistakes are seen only if goroutines meet in a certain way. So many times
// a test may try to see one.
const triesToSee = 3

// runMutant runs one test of the build, until it fails if a mutant is chosen.
func runMutant(t *testing.T, bin, name, test string) (out string, err error) {
	t.Helper()
	parts := strings.Split(testName(test), "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	tries := triesToSee
	if name == "" {
		tries = 1
	}
	for ; tries > 0 && err == nil; tries-- {
		cmd := exec.CommandContext(t.Context(), bin, "-test.v", "-test.timeout=5m", "-test.run", strings.Join(parts, "/"))
		cmd.Env = append(os.Environ(), mutantEnv+"="+name)
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
