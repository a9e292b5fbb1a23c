package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// key names a test, or a subtest, of a package.
type key struct{ pkg, name string }

// outcome is how a test ended: "pass", "fail" or "skip", or "" if it has not.
type outcome struct {
	result string
	took   time.Duration
	output []string
}

// event is a line of `go test -json`.
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64
	Output  string
}

// plan is what to run of one package.
type plan struct {
	pkg   string
	tests []string // functions
}

// plans sorts the tests of rows by package, each function once. The packages
// come in the order of their first row, which puts the gravest first.
func plans(tests []test) []plan {
	var all []plan
	for _, t := range tests {
		i := slices.IndexFunc(all, func(p plan) bool { return p.pkg == t.pkg })
		if i < 0 {
			i, all = len(all), append(all, plan{pkg: t.pkg})
		}
		if !slices.Contains(all[i].tests, t.function()) {
			all[i].tests = append(all[i].tests, t.function())
		}
	}
	return all
}

// pattern matches the functions of a plan and no other.
func (p plan) pattern() string {
	quoted := make([]string, len(p.tests))
	for i, t := range p.tests {
		quoted[i] = regexp.QuoteMeta(t)
	}
	return "^(" + strings.Join(quoted, "|") + ")$"
}

// runner runs plans and keeps what became of every test.
type runner struct {
	race    bool
	timeout time.Duration // of one package
	env     []string
	out     io.Writer
	results map[key]*outcome
	broken  []string // what went wrong outside of a test
}

// run runs one plan. Its error is one of running, not of the tests.
func (r *runner) run(ctx context.Context, p plan) error { return r.runIn(ctx, ".", p) }

// runIn is run where root is the module's directory.
func (r *runner) runIn(ctx context.Context, root string, p plan) error {
	args := []string{"test", "-json", "-count=1", "-timeout=" + r.timeout.String(), "-run=" + p.pattern()}
	// Most of what these tests do is wait, so more than the cores go at a time.
	args = append(args, "-parallel=6")
	if r.race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+p.pkg)...)
	cmd.Dir = root
	// An interrupted test would leave its processes and mounts behind if it
	// were killed at once.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Env = r.env
	var said bytes.Buffer
	cmd.Stderr = &said
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("running tests: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("running tests: %w", err)
	}
	readErr := r.read(p, stdout)
	err = cmd.Wait()
	fmt.Fprint(r.out, said.String())
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("running tests: %w", err)
	}
	if err != nil && !r.failedIn(p.pkg) {
		r.broken = append(r.broken, p.pkg+": "+err.Error())
	}
	return readErr
}

func (r *runner) failedIn(pkg string) bool {
	for k, o := range r.results {
		if k.pkg == pkg && o.result == "fail" {
			return true
		}
	}
	return false
}

// read follows the tests of a package and tells of each that ends.
func (r *runner) read(p plan, from io.Reader) error {
	lines := make(chan string)
	failed := make(chan error, 1)
	go func() {
		defer close(lines)
		s := bufio.NewScanner(from)
		s.Buffer(nil, 16<<20)
		for s.Scan() {
			lines <- s.Text()
		}
		failed <- s.Err()
	}()
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return <-failed
			}
			tick.Reset(quiet)
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				fmt.Fprintln(r.out, line) // The compiler's words.
				continue
			}
			r.take(p.pkg, e)
		case <-tick.C:
			fmt.Fprintf(r.out, "     … %s\n", strings.Join(r.running(p.pkg), ", "))
		}
	}
}

// quiet is after how long without news the names of what runs are told.
const quiet = 30 * time.Second

// running lists the functions that have begun and not ended.
func (r *runner) running(pkg string) []string {
	var names []string
	for k, o := range r.results {
		if k.pkg == pkg && o.result == "" && !strings.Contains(k.name, "/") {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return []string{"building " + pkg}
	}
	return names
}

// take notes one event.
func (r *runner) take(pkg string, e event) {
	if e.Test == "" {
		r.takePackage(pkg, e)
		return
	}
	k := key{pkg, e.Test}
	o := r.results[k]
	if o == nil {
		o = &outcome{}
		r.results[k] = o
	}
	switch e.Action {
	case "output":
		o.output = append(o.output, e.Output)
	case "pass", "fail", "skip":
		o.result, o.took = e.Action, time.Duration(e.Elapsed*float64(time.Second))
		if e.Action != "pass" || !strings.Contains(e.Test, "/") {
			fmt.Fprintf(r.out, "%s %s (%s)\n", told[e.Action], e.Test, o.took.Round(100*time.Millisecond))
		}
		if e.Action != "pass" {
			r.quote(o.output)
		}
		o.output = nil
	}
}

func (r *runner) takePackage(pkg string, e event) {
	switch e.Action {
	case "output", "build-output":
		// What no test of its own says: a race at the exit, a panic, a build.
		if text := strings.TrimSpace(e.Output); text != "" && text != "PASS" && !strings.HasPrefix(text, "ok ") {
			fmt.Fprintln(r.out, "     "+text)
		}
	case "fail":
		if !r.failedIn(pkg) {
			r.broken = append(r.broken, pkg+": the package failed outside of its tests")
		}
	}
}

var told = map[string]string{"pass": "ok  ", "fail": "FAIL", "skip": "SKIP"}

// quoted is how many of the last lines of a failed test are shown.
const quoted = 400

func (r *runner) quote(lines []string) {
	// What the test says comes last, where it is kept, behind the log of the program.
	slices.SortStableFunc(lines, func(a, b string) int { return cmp.Compare(logged(b), logged(a)) })
	if n := len(lines) - quoted; n > 0 {
		fmt.Fprintf(r.out, "     (%d lines before)\n", n)
		lines = lines[n:]
	}
	for _, line := range lines {
		fmt.Fprint(r.out, "     "+line)
	}
}

// build makes the binary that the tests share.
func build(ctx context.Context, dir string, race bool) (string, error) {
	bin := filepath.Join(dir, "inboxgate")
	args := []string{"build", "-o", bin, "-ldflags", "-s -w -X main.mountedCaddyfile=" + mounted}
	if race {
		args = append(args, "-race")
	}
	out, err := exec.CommandContext(ctx, "go", append(args, "./sidecar")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building inboxgate: %w\n%s", err, out)
	}
	return bin, nil
}

// logged is 1 for a line of the program's own log.
func logged(line string) int {
	if strings.HasPrefix(strings.TrimSpace(line), `{"level"`) {
		return 1
	}
	return 0
}
