package chrome

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	Close()
	os.Exit(code)
}

// witness is a test whose failures are what another test is about.
type witness struct {
	testing.TB
	failed   []string
	cleanups []func()
}

func (w *witness) Helper()                      {}
func (w *witness) Log(...any)                   {}
func (w *witness) Logf(string, ...any)          {}
func (w *witness) Failed() bool                 { return len(w.failed) > 0 }
func (w *witness) Cleanup(f func())             { w.cleanups = append(w.cleanups, f) }
func (w *witness) Errorf(f string, args ...any) { w.failed = append(w.failed, fmt.Sprintf(f, args...)) }

func (w *witness) Fatalf(f string, args ...any) {
	w.Errorf(f, args...)
	runtime.Goexit()
}

// failures returns what fails a test that does do in a tab which shows a page.
func failures(t *testing.T, hand Hand, policy, body string, do func(*Tab)) []string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		if r.URL.Path == "/own.js" {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, r.URL.Query().Get("do"))
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><head><meta name="viewport" content="width=device-width"><title>Page</title></head><body><main><h1>%s</h1>%s</main></body></html>`, r.URL.Path, body)
	}))
	t.Cleanup(s.Close)
	w := &witness{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tab := Open(w, hand, s.URL)
		tab.Go("/")
		do(tab)
	}()
	<-done
	for _, f := range slices.Backward(w.cleanups) {
		f()
	}
	return w.failed
}

// strict is a policy that allows nothing but the page.
const strict = "default-src 'none'; script-src 'self'; form-action 'self'"

func TestATabNotesWhatAPageMustNotDo(t *testing.T) {
	t.Parallel()
	Needs(t)
	for name, c := range map[string]struct{ policy, body, want string }{
		"nothing":         {strict, `<p>Well</p>`, ""},
		"console":         {strict, `<script src="/own.js?do=console.log('hello')"></script>`, "console.log"},
		"exception":       {strict, `<script src="/own.js?do=nothing.here"></script>`, "exception: ReferenceError"},
		"inline script":   {strict, `<script>document.title = "x"</script>`, "ContentSecurityPolicyIssue: script-src"},
		"inline style":    {strict, `<p style="color: red">x</p>`, "ContentSecurityPolicyIssue: style-src"},
		"inline handler":  {strict, `<img src="data:x" onerror="document.title = 1">`, "ContentSecurityPolicyIssue: img-src"},
		"another origin":  {"", `<img src="http://127.0.0.2:9/x.png" alt="x">`, "request to another origin: http://127.0.0.2:9/x.png"},
		"a frame":         {"", `<iframe srcdoc="x" title="x"></iframe>`, "a frame in the page"},
		"not found":       {"", `<link rel="stylesheet" href="http://127.0.0.1:9/x.css">`, "log, error of network"},
		"a prefetch away": {"", `<link rel="preload" as="script" href="http://127.0.0.2:9/y.js">`, "request to another origin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := failures(t, Mouse, c.policy, c.body, func(tab *Tab) { tab.Sees("/") })
			if c.want == "" && len(got) > 0 || !strings.Contains(strings.Join(got, "\n"), c.want) {
				t.Errorf("noted %q, not %q", got, c.want)
			}
		})
	}
}

func TestAHandReachesWhatAPersonReaches(t *testing.T) {
	t.Parallel()
	Needs(t)
	const form = `<form action="/done"><label>Reason <input name="why"></label>
		<label>State <select name="state"><option>any</option><option>dead</option></select></label>
		<button>Do <b>it</b></button></form>`
	for _, hand := range Hands {
		t.Run(hand.String(), func(t *testing.T) {
			t.Parallel()
			got := failures(t, hand, strict, form, func(tab *Tab) {
				tab.Fill(Field("Reason"), "wrong")
				tab.Fill(Field("Reason"), "mended at last")
				tab.Choose(What{Role: "combobox", Name: "State"}, "dead")
				tab.Follow(Button("do it"))
				if path := tab.Path(); path != "/done?why=mended+at+last&state=dead" {
					t.Errorf("came to %s", path)
				}
				tab.Back()
				tab.Sees("/")
			})
			if len(got) > 0 {
				t.Errorf("failed: %q", got)
			}
		})
	}
}

func TestAHandDoesNotReachWhatAPersonDoesNot(t *testing.T) {
	t.Parallel()
	Needs(t)
	press := func(tab *Tab) { tab.Press(Button("Go")) }
	for name, c := range map[string]struct {
		hand       Hand
		body, want string
	}{
		"not in the order of Tab": {Keyboard, `<button tabindex="-1">Go</button>`, "by 400 presses of Tab"},
		"no visible focus":        {Keyboard, `<style>button { outline: none }</style><button>Go</button>`, "the focus on it cannot be seen"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := failures(t, c.hand, "style-src 'unsafe-inline'", c.body, press)
			if !strings.Contains(strings.Join(got, "\n"), c.want) {
				t.Errorf("failed by %q, not %q", got, c.want)
			}
		})
	}
}

func TestAxeFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	Needs(t)
	got := failures(t, Mouse, strict, `<input name="x">`, (*Tab).Accessible)
	if len(got) != 1 || !strings.Contains(got[0], "breaks label") {
		t.Errorf("an input without a label gives %q", got)
	}
	if got := failures(t, Mouse, strict, `<p>Well</p>`, (*Tab).Accessible); len(got) > 0 {
		t.Errorf("a good page gives %q", got)
	}
}

func TestAWidePageIsFound(t *testing.T) {
	t.Parallel()
	Needs(t)
	got := failures(t, Mouse, "style-src 'unsafe-inline'", `<p style="width: 500px">x</p>`, func(tab *Tab) {
		tab.Size(320, 600)
		tab.Fits()
	})
	if len(got) != 1 || !strings.Contains(got[0], "pixels wider") {
		t.Errorf("a page of 500 pixels in a window of 320 gives %q", got)
	}
}

func TestWithoutJavaScriptNothingRuns(t *testing.T) {
	t.Parallel()
	Needs(t)
	const body = `<p id="p">still</p><script src="/own.js?do=document.getElementById('p').textContent='moved'"></script>`
	for hand, want := range map[Hand]string{Mouse: "moved", Plain: "still"} {
		if got := failures(t, hand, strict, body, func(tab *Tab) { tab.Sees(want) }); len(got) > 0 {
			t.Errorf("%s: %q", hand, got)
		}
	}
}
