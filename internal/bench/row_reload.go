//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// stormTest is the test that reloads: it fails if a request fails, if an event
// is lost or comes twice, or if a reload waits for the hanging upstream.
const stormTest = "TestReloadStorm"

// stormLine is what it says of a storm that went well.
var stormLine = regexp.MustCompile(`100 reloads in ([0-9.ms]+), slowest ([0-9.ms]+); ([0-9]+) events, ([0-9]+)/s, ([0-9]+) sent again`)

// reloads is row r: a hundred reloads under load, with attempts running and an
// upstream that hangs. The judge is the test; the figures are its own.
func reloads(ctx context.Context, b *bench) (out outcome, err error) {
	s := &series{Name: "events answered during 100 reloads"}
	bin := filepath.Join(b.dir, "storm.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", bin, "./caddymodule")
	build.Dir = b.root
	if text, err := build.CombinedOutput(); err != nil {
		return out, fmt.Errorf("building the tests: %w\n%s", err, text)
	}
	for range b.rounds {
		f, words, err := b.storm(ctx, bin)
		if err != nil {
			return out, err
		}
		s.add(f)
		out.note("%s", words)
	}
	out.Series = []*series{s}
	out.Comparisons = []comparison{
		compare("100 reloads with attempts running and one upstream hanging: no request failed, nothing twice", perSecond, &series{Name: "a fixed goal"}, s, above(500, "≥ 500/s")),
	}
	return out, nil
}

func (b *bench) storm(ctx context.Context, bin string) (f figures, words string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-test.v", "-test.run", "^"+stormTest+"$")
	cmd.Dir = filepath.Join(b.root, "caddymodule")
	text, err := cmd.CombinedOutput()
	if err != nil {
		return f, "", fmt.Errorf("running %s: %w\n%s", stormTest, err, text[max(0, len(text)-2000):])
	}
	return stormFigures(string(text))
}

func stormFigures(text string) (f figures, words string, err error) {
	m := stormLine.FindStringSubmatch(text)
	if m == nil {
		return f, "", fmt.Errorf("%s passed without its figures", stormTest)
	}
	f = blank()
	if f.Events, err = strconv.Atoi(m[3]); err != nil {
		return f, "", fmt.Errorf("reading the figures of %s: %w", stormTest, err)
	}
	took, err := time.ParseDuration(m[1])
	if err != nil {
		return f, "", fmt.Errorf("reading the figures of %s: %w", stormTest, err)
	}
	f.Rate = float64(f.Events) / took.Seconds()
	return f, fmt.Sprintf("%s: 100 reloads in %s, the slowest %s; %s events, %s sent again by the client after Caddy had closed an idle connection under it", stormTest, m[1], m[2], m[3], m[5]), nil
}
