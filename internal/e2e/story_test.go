package e2e

import (
	"bufio"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

const (
	// storySpeed makes an hour of 3 s. Two things keep their own time: probes
	// of a held route, and the age of what waits, which alert multiplies.
	storySpeed = 1200
	storyRoute = `{route="default",source="inbox"}`
	storyDir   = "testdata/script"
)

// storyKey is where a script finds its app and its test.
type storyKey string

// TestOperatorStory runs what an operator types.
func TestOperatorStory(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "curl")
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	behind := 10_000
	if testing.Short() {
		behind = 1000
	}
	testscript.Run(t, testscript.Params{
		Dir: storyDir,
		Setup: func(env *testscript.Env) error {
			tb := env.T().(testing.TB)
			app := newStoryApp(tb)
			env.Values[storyKey("app")], env.Values[storyKey("test")] = app, tb
			// The operator's socket has its default, which the other tests turn off.
			env.Vars = append(env.Vars, proctest.Env(env.WorkDir, "INBOX_ADMIN=", "no_proxy=*",
				"PATH="+filepath.Dir(bin)+string(os.PathListSeparator)+os.Getenv("PATH"),
				"PLATFORM="+proctest.FreeAddress(tb), "APP="+app.Addr, "GATE="+proctest.FreeAddress(tb), "OPS="+proctest.FreeAddress(tb),
				"SPEED="+strconv.Itoa(storySpeed), "BEHIND="+strconv.Itoa(behind), "WAITING="+strconv.Itoa(behind+1), "SENT="+strconv.Itoa(behind+20))...)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"inboxgate": storyProgram("inboxgate"), "curl": storyProgram("curl"),
			"app": storyAppCommand, "until": storyUntil, "alert": storyAlert, "keep": storyKeep,
		},
	})
}

// storyProgram is a program that a script names as one types it.
func storyProgram(name string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if err := ts.Exec(name, args...); (err != nil) != neg {
			ts.Fatalf("%s ended with %v", name, err)
		}
	}
}

func storyAppCommand(ts *testscript.TestScript, neg bool, args []string) {
	app, tb := ts.Value(storyKey("app")).(*storyApp), ts.Value(storyKey("test")).(testing.TB)
	switch verb := strings.Join(args[:min(1, len(args))], ""); {
	case neg:
		ts.Fatalf("the app cannot do otherwise")
	case verb == "start":
		app.start(tb)
	case verb == "stop":
		ts.Check(app.Stop())
	case verb == "mend":
		app.mended.Store(true)
	case verb == "has" && len(args) == 2:
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		app.awaitIDs(tb, n)
	case verb == "showed":
		ts.Check(app.awaitPoison(tb).Write(ts.Stdout()))
	default:
		ts.Fatalf("usage: app start|stop|has N|mend|showed")
	}
}

// storyUntil repeats a command, which may fail meanwhile.
func storyUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND [ARGUMENT…]")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(proctest.Patience); time.Now().Before(end); <-tick.C {
		if ts.Exec(args[1], args[2:]...) == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("waited %s in vain for %s of %s", proctest.Patience, want, args[1])
}

func storyKeep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keep NAME REGEXP")
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	found := want.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("%s finds %q", want, found)
	}
	ts.Setenv(args[0], found[1])
}

// simpleAlert is one about the series of a metric. One instance runs, so that the
// largest of all that show a store is the only one.
var simpleAlert = regexp.MustCompile(`^(?:max by \([a-z, ]+\) \()?([a-z_]+)\)? (==|>|<) ([0-9.]+)$`)

// storyAlert tells whether the condition of an alert holds now. How long it has
// to hold before somebody is woken is Prometheus's to know.
func storyAlert(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: alert NAME")
	}
	raw, err := os.ReadFile(filepath.Join("..", "..", "examples", "monitoring", "alerts.yaml"))
	ts.Check(err)
	_, rule, _ := strings.Cut(string(raw), "- alert: "+args[0]+"\n")
	_, expr, _ := strings.Cut(rule, "expr: ")
	expr, _, _ = strings.Cut(expr, "\n")
	parts := simpleAlert.FindStringSubmatch(expr)
	if parts == nil {
		ts.Fatalf("%s has no simple condition: %q", args[0], expr)
	}
	series := parts[1]
	if strings.HasPrefix(series, "inbox_route_") {
		series += storyRoute
	}
	value := storyMetric(ts, series)
	if strings.HasSuffix(parts[1], "_seconds") {
		value *= storySpeed
	}
	than, err := strconv.ParseFloat(parts[3], 64)
	ts.Check(err)
	if holds := map[string]bool{"==": value == than, ">": value > than, "<": value < than}[parts[2]]; holds == neg {
		ts.Fatalf("%s is %t: %s is %v", expr, holds, series, value)
	}
}

// ofStore is the label of the only store.
var ofStore = regexp.MustCompile(`,store="[^"]*"|\{store="[^"]*"\}`)

// storyMetric reads one value of /metrics; labels stand in the order of the
// alphabet, without that of the store.
func storyMetric(ts *testscript.TestScript, series string) float64 {
	res, err := http.Get("http://" + ts.Getenv("OPS") + "/metrics")
	ts.Check(err)
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(ofStore.ReplaceAllString(lines.Text(), ""), series+" "); ok {
			v, err := strconv.ParseFloat(text, 64)
			ts.Check(err)
			return v
		}
	}
	ts.Check(lines.Err())
	ts.Fatalf("/metrics has no %s", series)
	return 0
}

var typed = regexp.MustCompile(`(?m)\binboxgate ([a-z]+)( [a-z]+)?.*$`)

// Scripts use what the reference has, and nothing else.
func TestScriptsUseDocumentedCommands(t *testing.T) {
	t.Parallel()
	reference, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join(storyDir, "operator.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	root := new(cobra.Command)
	caddycmd.Commands()["inbox"].CobraFunc(root)
	found := 0
	for line := range strings.Lines(string(script)) {
		m := typed.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || strings.HasPrefix(line, "#") {
			continue
		}
		found++
		one, two := "\n### "+m[1]+"\n", "\n### "+m[1]+m[2]+"\n"
		if !strings.Contains(string(reference), one) && !strings.Contains(string(reference), two) {
			t.Errorf("docs/reference.md does not have %s", m[0])
		}
		words, _, _ := strings.Cut(strings.TrimPrefix(m[0], "inboxgate "), " |")
		if why := unknownCommand(root, strings.Fields(words)); why != "" {
			t.Errorf("%s: %s", m[0], why)
		}
	}
	if found < 15 {
		t.Errorf("only %d commands found", found)
	}
}
