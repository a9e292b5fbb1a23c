//go:build linux

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// measured is a report with every kind of row that the page draws.
func measured() *report {
	of := func(name string, conns int, rates ...float64) *series {
		s := &series{Name: name, Body: goalBody, Conns: conns}
		for _, r := range rates {
			f := blank()
			f.Rate, f.P50, f.P99, f.P999, f.CPU = r, 1, 2, 4, 1e6/r
			s.add(f)
		}
		return s
	}
	yard, ours := of(bareName, 64, 20000, 30000), of(ourName, 64, 15000, 18000)
	r := &report{Machine: machine{Date: "2026-01-02 03:04 UTC", Cores: 2, Processor: "a <processor>"}, Flags: "-rounds 2"}
	r.add(rows[1], outcome{
		Comparisons: []comparison{compare("new event", perSecond, yard, ours, atLeast(0.6, "≥ 60 %")), compare("new event", p99, yard, ours, below(1, "≤ 1 ms"))},
		Series:      []*series{yard, ours},
	})
	r.add(row{name: "m", title: "matrix"}, outcome{Series: []*series{of(bareName, 256, 9, 11), yard, of(ourName, 64, 5, 6), of(ourName, 256, 6, 7)}})
	r.skip("8", "needs -long")
	return r
}

func TestPublishWritesAPageThatHoldsTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := measured()
	if err := r.publish(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, want := range []string{
		"| new event | req/s | bare Caddy | 25,000 | 16,500 | 0.66 (0.60–0.75) | ≥ 60 % | yes |", "| **no** |", "1 of 2 are met",
		"-rows 1 -rounds 2", "Row 8 was not measured", "16,500 (15,000–18,000)", strings.TrimSpace(method), strings.TrimSpace(story),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	for _, link := range strings.Split(page, "](")[1:] {
		target, _, _ := strings.Cut(link, ")")
		if strings.HasPrefix(target, plotDir+"/") {
			if _, err := os.Stat(filepath.Join(dir, target)); err != nil {
				t.Errorf("a link leads nowhere: %v", err)
			}
		}
		if name, ok := strings.CutPrefix(target, "#"); ok && !hasHeading(page, name) {
			t.Errorf("no heading is called %s", name)
		}
	}
	plots, err := filepath.Glob(filepath.Join(dir, plotDir, "*.svg"))
	if err != nil || len(plots) != 4 {
		t.Errorf("%v, %v", plots, err)
	}
	for _, p := range plots {
		wellFormed(t, p)
	}
	again, err := readReport(filepath.Join(dir, plotDir, "run.json"))
	if err != nil || again.page(again.plots()) != page {
		t.Errorf("the kept figures give another page: %v", err)
	}
}

func hasHeading(page, name string) bool {
	for l := range strings.Lines(page) {
		if h, ok := strings.CutPrefix(strings.TrimSpace(l), "### "); ok && anchor(h) == name {
			return true
		}
	}
	return false
}

func wellFormed(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for d := xml.NewDecoder(f); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			return
		}
	}
}

func TestCurvesGoByConnections(t *testing.T) {
	t.Parallel()
	got := measured().row("m").curves(goalBody, perSecond)
	want := []curve{
		{bareName, []point{{64, 25000, 20000, 30000}, {256, 10, 9, 11}}},
		{ourName, []point{{64, 5.5, 5, 6}, {256, 6.5, 6, 7}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestNamesDoNotCover(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ places, want []float64 }{
		{[]float64{10, 50}, []float64{10, 50}},
		{[]float64{10, 12, 14}, []float64{10, 20, 30}},
		{[]float64{96, 98, 100}, []float64{80, 90, 100}},
		{[]float64{50, 95, 99}, []float64{50, 90, 100}},
	} {
		if got := apart(c.places, 10, 0, 100); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v became %v", c.places, got)
		}
	}
}

func TestTicksCoverAndAreRound(t *testing.T) {
	t.Parallel()
	for most, want := range map[float64][]float64{
		0: {0, 0.2, 0.4, 0.6, 0.8, 1}, 7: {0, 2, 4, 6, 8}, 32100: {0, 10000, 20000, 30000, 40000},
	} {
		if got := ticks(most); len(got) != len(want) || got[len(got)-1] < most {
			t.Errorf("%g: %v instead of %v", most, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v      float64
		digits int
		want   string
	}{{unknown, 0, "–"}, {999, 0, "999"}, {1000, 0, "1,000"}, {1234567.8, 1, "1,234,567.8"}, {0.5, 3, "0.500"}} {
		if got := number(c.v, c.digits); got != c.want {
			t.Errorf("%g is written %s", c.v, got)
		}
	}
}
