//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	var sorted []time.Duration
	for i := range 100 {
		sorted = append(sorted, time.Duration(i+1))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.99: 99, 0.999: 100, 1: 100} {
		if got := quantile(sorted, q); got != want {
			t.Errorf("quantile %g is %d instead of %d", q, got, want)
		}
	}
	if quantile(nil, 0.5) != 0 {
		t.Error("the quantile of nothing")
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of   []float64
		want float64
	}{
		{nil, unknown},
		{[]float64{unknown}, unknown},
		{[]float64{3, 1, 2}, 2},
		{[]float64{4, unknown, 1}, 2.5},
	} {
		if got := median(c.of); got != c.want {
			t.Errorf("median of %v is %g", c.of, got)
		}
	}
}

func sideOf(name string, rates ...float64) *series {
	s := &series{Name: name}
	for _, r := range rates {
		f := blank()
		f.Rate = r
		s.add(f)
	}
	return s
}

func TestCompare(t *testing.T) {
	t.Parallel()
	yard, ours := sideOf("yard", 100, 200, 300), sideOf("ours", 60, 100, 210)
	c := compare("x", perSecond, yard, ours, atLeast(0.5, "≥ 50 %"))
	if c.Yard != 200 || c.Ours != 100 || c.Ratio != 0.5 || c.Least != 0.5 || c.Most != 0.7 || c.Met != "yes" {
		t.Errorf("%+v", c)
	}
	if c := compare("x", perSecond, yard, ours, atLeast(0.51, "")); c.Met != "no" {
		t.Errorf("a missed goal is %q", c.Met)
	}
	if c := compare("x", perSecond, yard, ours, goal{}); c.Met != "" {
		t.Errorf("no goal is %q", c.Met)
	}
	if c := compare("x", perSecond, yard, ours, below(80, "")); c.Met != "no" || c.Reach != 0.8 {
		t.Errorf("100 against at most 80 reaches %g: %q", c.Reach, c.Met)
	}
	if c := compare("x", p99, yard, ours, atMost(2, "")); c.Met != "no" || c.Ratio != unknown {
		t.Errorf("a goal for an unknown figure is %q", c.Met)
	}
	ours.Rounds[1].Void = "two requests failed"
	c = compare("x", perSecond, yard, ours, atLeast(0.5, ""))
	if c.Met != "void" {
		t.Errorf("a void row is %q", c.Met)
	}
	var r report
	r.add(row{name: "1"}, outcome{Comparisons: []comparison{c}, Series: []*series{yard, ours}})
	if text := r.markdown(); !r.void() || !strings.Contains(text, "row 1 is VOID: ours: two requests failed") {
		t.Errorf("the report is silent about it:\n%s", text)
	}
}

func TestDurableRefusesWorkThatWasNotDone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flushes, written float64
		void             bool
	}{
		"one each":        {1, 4096, false},
		"one for all":     {1. / 64, 4096, false},
		"one for two":     {1. / 128, 4096, true},
		"none":            {0, 4096, true},
		"not to be known": {unknown, 4096, false},
		"no bytes":        {1, 0, true},
	} {
		f := figures{Flushes: c.flushes, Written: c.written}
		if f.durable(64, 270); (f.Void != "") != c.void {
			t.Errorf("%s: %q", name, f.Void)
		}
	}
}

func TestReadsProc(t *testing.T) {
	t.Parallel()
	stat := "12 (a) b (c) S 1 12 12 0 -1 4194560 99 0 0 0 150 25 7 7 20 0 1 0 5 6 7"
	if got, err := cpuTime([]byte(stat)); err != nil || got != 1750*time.Millisecond {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := cpuTime([]byte("12 (a) S 1")); err == nil {
		t.Error("a short line gives no error")
	}
	const lines = "   7       0 loop0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n" +
		" 254       0 vda 216886 59659 11293210 3536147 1193779 243887 57328424 1076696 0 231216 4664966 121092 55 22933656 25336 378106 26786\n" +
		" 254       1 vda1 1 2 3 4\n"
	for d, want := range map[disk]float64{
		{"vda", 254, 0}: 378106, {"vda1", 254, 1}: unknown, {"vdb", 254, 16}: unknown,
	} {
		if got := flushesIn(lines, d); got != want {
			t.Errorf("%s: %g flushes instead of %g", d.name, got, want)
		}
	}
	before, err := readUsage(os.Getpid())
	if err != nil || before.rss <= 0 {
		t.Errorf("%+v, %v", before, err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-short", "-rounds", "2", "-rows", "1,1b", "-conns", "1,16"})
	if err != nil || o.rounds != 2 || !o.long || o.scale != 0.01 || !o.wants("1b") || o.wants("3") || len(o.conns) != 2 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{{"-rows", "99"}, {"-conns", "0"}, {"-bodies", "1"}, {"-scale", "2"}, {"-rounds", "0"}, {"x"}} {
		if _, err := parseOptions(bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

// The yardstick must not promise more or less than its name says.
func TestExpressIsPinned(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("express", "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, loose := range []string{`"^`, `"~`, `"latest`, `"*`} {
		if strings.Contains(string(text), loose) {
			t.Errorf("a version in package.json begins with %s", loose)
		}
	}
}

// A file of an earlier run does not know every figure: those are unknown, not nought.
func TestFiguresOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	var f figures
	if err := json.Unmarshal([]byte(`{"events":3,"p50_ms":1.5}`), &f); err != nil {
		t.Fatal(err)
	}
	if f.Events != 3 || f.P50 != 1.5 || f.Log != unknown || f.Database != unknown || f.Syncs != unknown {
		t.Errorf("read %+v", f)
	}
}

// Whatever the tables lack, or have too much of, makes a round void.
func TestTablesAreCounted(t *testing.T) {
	t.Parallel()
	good := counted{ids: 12, distinct: 12, events: 10, deliveries: 10, delivered: 4}
	if why := good.void(2, 10, 4); why != "" {
		t.Errorf("all is there, but: %s", why)
	}
	for _, spoil := range []func(*counted){
		func(c *counted) { c.ids++ }, func(c *counted) { c.distinct-- }, func(c *counted) { c.events-- },
		func(c *counted) { c.deliveries++ }, func(c *counted) { c.delivered-- },
	} {
		bad := good
		spoil(&bad)
		if bad.void(2, 10, 4) == "" {
			t.Errorf("%+v is taken for what was answered", bad)
		}
	}
}
