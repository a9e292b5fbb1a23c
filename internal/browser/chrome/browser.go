// Package chrome has a test use a page as a person does: it looks for what has a
// role and a name, as a screen reader does, and presses it with the mouse or with
// the keyboard, with or without JavaScript.
//
// Guarantee: a tab that wrote anything to its console, broke its content security
// policy, or sent a request to another origin fails its test. A press with the mouse
// hits what a person would hit; one with the keyboard gets there by Tab alone, and
// fails where the focus cannot be seen.
//
// Limits: one Chromium of this machine, without a window. What the browser does by
// itself, outside a page, is not watched.
package chrome

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Patience is how long a wait lasts at most. It is long because the machine may be
// busy; no test passes because of it.
const Patience = 30 * time.Second

// open is the browser of this process, which all tests share, and how it is closed.
type open struct {
	ctx   context.Context
	close func()
}

// running is the browser, once start has started it. It is read when all tests have ended.
var running *open

// start returns the browser, which lives until Close.
var start = sync.OnceValues(func() (*open, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("lang", "en"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Its sandbox refuses root.
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	browser, quit := chromedp.NewContext(allocator)
	running = &open{ctx: browser, close: func() {
		quit()
		stop()
	}}
	return running, chromedp.Do(browser)
})

// Close ends the browser. TestMain calls it after all tests.
func Close() {
	if running != nil {
		running.close()
	}
}

// Needs skips the test where this machine has no Chromium, or fails it with CI set.
func Needs(t testing.TB) {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if _, err := exec.LookPath(name); err == nil {
			return
		}
	}
	Missing(t, "this test needs Chromium: install Debian's package chromium")
}

// Missing skips the test with a reason, or fails it with CI set.
func Missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}
