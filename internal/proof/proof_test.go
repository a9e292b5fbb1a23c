package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// aProof is one of two rows, all passed.
func aProof() *proof {
	kill, wait := test{faults, "TestFaultKill"}, test{store, "TestContract/Close waits"}
	return &proof{
		rows: []row{
			{n: 1, fault: "kill -9", expect: "nothing lost", tests: []test{kill}},
			{n: 2, fault: "a | b", expect: "nothing", tests: []test{wait}},
		},
		tests:   []test{kill, wait},
		results: map[key]*outcome{kill.key(): {result: "pass"}, wait.key(): {result: "pass"}, {store, "TestContract"}: {result: "pass"}},
		records: []record{
			{Test: "TestFaultKill", Fault: "kill -9", Rows: []int{1}, Rounds: 300, Sent: 10, Acked: 9, Repeated: 2},
			{Test: "TestFaultKill/again", Fault: "kill -9", Rows: []int{1}, Rounds: 1, Sent: 5, Acked: 5},
			{Test: "TestFaultKill", Fault: "an earlier row", Rows: nil, Rounds: 1},
		},
		at: time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC), machine: machine{cores: 2, kernel: "Linux 6", compiler: "go1.26"},
	}
}

func TestFaultsKeepItFromBeingAProof(t *testing.T) {
	t.Parallel()
	if errs := aProof().faults(); len(errs) > 0 {
		t.Errorf("nothing is wrong: %v", errs)
	}
	for want, spoil := range map[string]func(*proof){
		"row 1: internal/proof/faults: TestFaultKill: fail":    func(p *proof) { p.results[key{faults, "TestFaultKill"}].result = "fail" },
		"row 1: internal/proof/faults: TestFaultKill: skip":    func(p *proof) { p.results[key{faults, "TestFaultKill"}].result = "skip" },
		"row 1: internal/proof/faults: TestFaultKill: missing": func(p *proof) { delete(p.results, key{faults, "TestFaultKill"}) },
		"Close waits: unfinished":                              func(p *proof) { p.results[key{store, "TestContract/Close_waits"}].result = "" },
		"TestContract: fail":                                   func(p *proof) { p.results[key{store, "TestContract"}].result = "fail" },
		"TestMutants/m: missing":                               func(p *proof) { p.tests = append(p.tests, test{faults, "TestMutants/m"}) },
		"lost 1, doubled 0":                                    func(p *proof) { p.records[1].Lost = 1 },
		"doubled 2,":                                           func(p *proof) { p.records[1].Doubled = 2 },
		"wrongly accepted 3":                                   func(p *proof) { p.records[1].WronglyAccepted = 3 },
		"TestFaultKill tells of row 59":                        func(p *proof) { p.records[1].Test, p.records[1].Rows = "TestFaultKill", []int{1, 59} },
		"an earlier row (":                                     func(p *proof) { p.records[2].Failed = true },
	} {
		p := aProof()
		spoil(p)
		errs := p.faults()
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("want %q, got %v", want, errs)
		}
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	all := tally(aProof().records)
	if len(all) != 2 || all[1].Fault != "kill -9" || !slices.Equal(all[1].Rows, []int{1}) || all[1].Rounds != 301 ||
		all[1].Sent != 15 || all[1].Acked != 14 || all[1].Repeated != 2 {
		t.Errorf("got %+v", all)
	}
	if sum := total(all); sum.Rounds != 302 || sum.Sent != 15 {
		t.Errorf("the sum is %+v", sum)
	}
}

// The page tells nothing of the machine but what it says it does.
func TestPageNamesNoPath(t *testing.T) {
	t.Parallel()
	p := aProof()
	p.checks = checkers
	page := p.page()
	for _, want := range []string{
		"23 November 2026", "2 cores, Linux 6, go1.26", "| kill -9 | 1 | 301 | 15 | 14 | 0 | 0 | 2 | 0 |",
		"faults.TestFaultKill | pass |", `a \| b`, "INBOXGATE_SEED", "TestMutants/answers before the commit",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if host, err := os.Hostname(); err == nil && regexp.MustCompile(`\b`+regexp.QuoteMeta(host)+`\b`).MatchString(page) {
		t.Error("the page names this host")
	}
	if path := regexp.MustCompile("(^|[\\s`(|])/[a-z]+/[a-z]").FindString(page); path != "" {
		t.Errorf("the page has an absolute path: %q", path)
	}
}

func TestReadLines(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "results")
	if lines, err := readLines(file); err != nil || len(lines) != 0 {
		t.Errorf("without a file: %v, %v", lines, err)
	}
	for text, fine := range map[string]bool{
		`{"rows":[1,2],"fault":"f","rounds":3,"wrongly_accepted":4}` + "\n": true,
		`{"rows":[1],"fault":"f","lots":3}` + "\n":                          false,
		`{"rows":[1],"fa`: false,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		lines, err := readLines(file)
		if fine != (err == nil) || fine && (len(lines) != 1 || lines[0].Rounds != 3 || lines[0].WronglyAccepted != 4) {
			t.Errorf("%s: %+v, %v", text, lines, err)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	if o, err := parse([]string{"-short", "-rows", "1, 16"}, io.Discard); err != nil || !o.short || !slices.Equal(o.rows, []int{1, 16}) {
		t.Errorf("got %+v, %v", o, err)
	}
	for _, args := range [][]string{{"-rows", "x"}, {"-rows", "99"}, {"-rows", "1,"}, {"more"}, {"-rows", "1", "-write", "x"}, {"-nothing"}} {
		if o, err := parse(args, io.Discard); err == nil {
			t.Errorf("%q: %+v", args, o)
		}
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	all := catalogue()
	rows, checks, tests := options{}.choose(all)
	if len(rows) != len(all) || len(checks) != len(checkers) || len(tests) < len(all) {
		t.Errorf("all: %d rows, %d checks, %d tests", len(rows), len(checks), len(tests))
	}
	if _, checks, _ := (options{short: true}).choose(all); len(checks) == 0 || len(checks) == len(checkers) {
		t.Errorf("short: %d of %d checks", len(checks), len(checkers))
	}
	if rows, checks, tests := (options{rows: []int{14}}).choose(all); len(rows) != 1 || len(checks) != 0 || len(tests) != len(rows[0].tests) {
		t.Errorf("one row: %d rows, %d checks, %d tests", len(rows), len(checks), len(tests))
	}
}

// A run of real tests: what passes, fails, skips and is not there is told apart.
func TestRunner(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := &runner{timeout: time.Minute, env: os.Environ(), out: &out, results: make(map[key]*outcome)}
	p := plan{pkg: "internal/proof", tests: []string{"TestTally", "TestNowhere"}}
	if err := r.runIn(t.Context(), filepath.Join("..", ".."), p); err != nil {
		t.Fatal(err)
	}
	if o := r.results[key{p.pkg, "TestTally"}]; o == nil || o.result != "pass" || !strings.Contains(out.String(), "ok   TestTally (") {
		t.Errorf("got %+v\n%s", o, out.String())
	}
	if o := r.results[key{p.pkg, "TestNowhere"}]; o != nil || len(r.results) != 1 || len(r.broken) != 0 {
		t.Errorf("got %+v of %d, %q", o, len(r.results), r.broken)
	}
}

func TestRunnerTakesEvents(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := &runner{out: &out, results: make(map[key]*outcome)}
	lines := `{"Action":"run","Test":"TestA"}
{"Action":"output","Test":"TestA","Output":"    why it failed\n"}
{"Action":"run","Test":"TestA/sub"}
{"Action":"pass","Test":"TestA/sub","Elapsed":0.1}
{"Action":"fail","Test":"TestA","Elapsed":1.26}
{"Action":"skip","Test":"TestB"}
{"Action":"run","Test":"TestC"}
{"Action":"output","Output":"panic: in the middle\n"}
{"Action":"fail"}
not JSON
`
	if err := r.read(plan{pkg: "p"}, strings.NewReader(lines)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"TestA": "fail", "TestA/sub": "pass", "TestB": "skip", "TestC": ""} {
		if o := r.results[key{"p", name}]; o == nil || o.result != want {
			t.Errorf("%s: %+v, want %q", name, o, want)
		}
	}
	for _, want := range []string{"FAIL TestA (1.3s)", "why it failed", "SKIP TestB", "panic: in the middle", "not JSON"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not told:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "TestA/sub") {
		t.Errorf("a subtest that passed is told:\n%s", out.String())
	}
}

func TestPlans(t *testing.T) {
	t.Parallel()
	all := plans([]test{{"a", "TestX/sub"}, {"b", "TestY"}, {"a", "TestX"}, {"a", "TestZ"}})
	if len(all) != 2 || all[0].pkg != "a" || all[0].pattern() != "^(TestX|TestZ)$" || all[1].pattern() != "^(TestY)$" {
		t.Errorf("got %+v", all)
	}
}
