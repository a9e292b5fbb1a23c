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
	"errors"
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

// one is the browser of this process, which all tests share.
var one struct {
	start  sync.Once
	ctx    context.Context
	cancel []context.CancelFunc
	err    error
}

// start returns the browser, which lives until Close.
func start() (context.Context, error) {
	one.start.Do(func() {
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("lang", "en"))
		if os.Geteuid() == 0 {
			options = append(options, chromedp.NoSandbox) // Its sandbox refuses root.
		}
		allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, quit := chromedp.NewContext(allocator)
		one.ctx, one.cancel = ctx, []context.CancelFunc{quit, stop}
		one.err = chromedp.Do(ctx)
	})
	return one.ctx, one.err
}

// Close ends the browser. TestMain calls it after all tests.
func Close() {
	one.start.Do(func() { one.err = errors.New("the browser was closed") })
	for _, cancel := range one.cancel {
		cancel()
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
