package chrome

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Hand is how a person uses a page.
type Hand int

// The ways of using a page.
const (
	Mouse    Hand = iota // Points and clicks.
	Keyboard             // Tab, Enter, Space and letters alone.
	Plain                // The mouse, and a browser that runs no JavaScript.
)

// Hands are all of them.
var Hands = []Hand{Mouse, Keyboard, Plain}

// String returns the name of the hand, as tests are named.
func (h Hand) String() string {
	return [...]string{"mouse", "keyboard", "without-javascript"}[h]
}

// Tab is a tab with a profile of its own.
type Tab struct {
	t      testing.TB
	ctx    context.Context
	hand   Hand
	origin string
	watch  *watch
}

// Open opens a tab for the pages of one origin, http://host:port, and closes it at
// the end of the test, which fails for all that the tab did wrong by then.
func Open(t testing.TB, hand Hand, origin string) *Tab {
	t.Helper()
	Needs(t)
	browser, err := start()
	if err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	w := &watch{origin: origin}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(w.see))
	tab := &Tab{t: t, ctx: ctx, hand: hand, origin: origin, watch: w}
	t.Cleanup(func() {
		t.Helper()
		if t.Failed() {
			tab.tell()
		}
		cancel()
		for _, fault := range w.take() {
			t.Errorf("in the browser: %s", fault)
		}
	})
	tab.must(chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800)))
	call(tab, audits.Enable, cdp.Empty{})
	if hand == Plain {
		call(tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	}
	return tab
}

// must fails the test for an error of the browser.
func (tab *Tab) must(err error) {
	tab.t.Helper()
	if err != nil {
		tab.t.Fatalf("using the browser at %s: %v", tab.watch.last(), err)
	}
}

// call runs one command of the browser's protocol, and fails the test for its error.
func call[P, R any](tab *Tab, cmd cdp.Command[P, R], params P) R {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, Patience)
	defer cancel()
	r, err := chromedp.Call(ctx, cmd, params)
	tab.must(err)
	return r
}

// try runs one command that may fail, as of an element that a refresh has replaced.
func try[P, R any](tab *Tab, cmd cdp.Command[P, R], params P) (R, error) {
	ctx, cancel := context.WithTimeout(tab.ctx, Patience)
	defer cancel()
	return chromedp.Call(ctx, cmd, params)
}

// Go opens an address of the tab's origin, as one who types it, and returns once the
// page has loaded.
func (tab *Tab) Go(path string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, Patience)
	defer cancel()
	if !strings.Contains(path, "://") {
		path = tab.origin + path
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(path)); err != nil {
		tab.t.Fatalf("opening %s: %v", path, err)
	}
}

// Back goes back to the page before.
func (tab *Tab) Back() {
	tab.t.Helper()
	tab.loads(func() {
		call(tab, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: tab.previous()})
	})
}

func (tab *Tab) previous() int64 {
	tab.t.Helper()
	h := call(tab, page.GetNavigationHistory, cdp.Empty{})
	if h.CurrentIndex < 1 {
		tab.t.Fatal("there is no page to go back to")
	}
	return h.Entries[h.CurrentIndex-1].ID
}

// Again follows a link to the page that is shown, as one must who has no JavaScript, to
// see how it is now. With JavaScript the page refreshes by itself, and nothing is done.
func (tab *Tab) Again(w What) {
	tab.t.Helper()
	if tab.hand == Plain {
		tab.Follow(w)
	}
}

// Path returns path and query of the page.
func (tab *Tab) Path() string {
	tab.t.Helper()
	u, err := url.Parse(Eval[string](tab, `location.href`))
	if err != nil {
		tab.t.Fatal(err)
	}
	return u.RequestURI()
}

// Status returns the status with which the page was answered.
func (tab *Tab) Status() int {
	return int(tab.watch.status())
}

// Eval returns the value of an expression of JavaScript in the page, which works with
// JavaScript off as well, because the page does not run it.
func Eval[T any](tab *Tab, expression string, options ...chromedp.EvaluateOption) T {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, 2*Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, options...))
	tab.must(err)
	return v
}

// Text returns what a reader sees of the page.
func (tab *Tab) Text() string {
	tab.t.Helper()
	return Eval[string](tab, `document.body ? document.body.innerText : ""`)
}

// Sees waits until the page shows a text, in any case of letters, and returns how long
// that took.
func (tab *Tab) Sees(text string) time.Duration {
	tab.t.Helper()
	return tab.Until(fmt.Sprintf("%q to be seen", text), func() bool {
		return strings.Contains(strings.ToLower(tab.Text()), strings.ToLower(text))
	})
}

// OnFirstScreen waits until the page shows a text where it is seen without scrolling.
func (tab *Tab) OnFirstScreen(text string) time.Duration {
	tab.t.Helper()
	return tab.Until(fmt.Sprintf("%q to be seen without scrolling", text), func() bool {
		return Eval[bool](tab, `(() => {
			const want = `+quoted(strings.ToLower(text))+`;
			const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
			const range = document.createRange();
			while (all.nextNode()) {
				if (!all.currentNode.data.toLowerCase().includes(want)) continue;
				range.selectNodeContents(all.currentNode);
				const r = range.getBoundingClientRect();
				if (r.width > 1 && r.height > 1 && r.top >= 0 && r.bottom <= innerHeight && r.left >= 0 && r.right <= innerWidth + 1) return true;
			}
			return false;
		})()`)
	})
}

// Misses fails the test if the page shows a text.
func (tab *Tab) Misses(text string) {
	tab.t.Helper()
	if strings.Contains(strings.ToLower(tab.Text()), strings.ToLower(text)) {
		tab.t.Errorf("%s shows %q", tab.Path(), text)
	}
}

// Until waits for a condition, and returns how long that took.
func (tab *Tab) Until(what string, reached func() bool) time.Duration {
	tab.t.Helper()
	began := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		if time.Since(began) > Patience {
			tab.t.Fatalf("waiting at %s for %s: not within %s", tab.Path(), what, Patience)
		}
		<-tick.C
	}
	return time.Since(began)
}

// Expect takes a line of the console that holds text as right, as that of a page which
// is refused.
func (tab *Tab) Expect(text string) { tab.watch.expect(text) }

// Size sets the size of the window.
func (tab *Tab) Size(width, height int64) {
	tab.t.Helper()
	tab.must(chromedp.Do(tab.ctx, chromedp.EmulateViewport(width, height)))
}

// Dark chooses the dark or the light look.
func (tab *Tab) Dark(dark bool) {
	tab.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// Shot returns a picture of the whole page as PNG.
func (tab *Tab) Shot() []byte {
	tab.t.Helper()
	r := call(tab, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: new(true)})
	return r.Data
}

// tell logs where a failed test is.
func (tab *Tab) tell() {
	ctx, cancel := context.WithTimeout(tab.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + (document.body ? document.body.innerText : "")`))
	if err != nil {
		return
	}
	if len(text) > 4000 {
		text = text[:4000] + " …"
	}
	tab.t.Logf("the page at the end:\n%s", text)
}

// quoted returns text as a literal of JavaScript.
func quoted(text string) string {
	b, _ := json.Marshal(text) // A string always has a form.
	return string(b)
}
