package chrome

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// watch notes what a tab must not do.
type watch struct {
	origin string

	mu       sync.Mutex
	at       string // The address of the page.
	answered int64  // Its status.
	loads    int    // How many pages have loaded.
	gestures int    // How many pages were asked for by a press, not by the page itself.
	loadsYet int    // How many had loaded when the last of those was asked for.
	sent     int    // How many requests were sent.
	faults   []string
	expected []string // What faults may hold.
}

// see is called for each event, in their order, and before the command that caused it
// has its answer.
func (w *watch) see(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		w.fault("console.%s: %s", e.Type, arguments(e.Args))
	case *runtime.EventExceptionThrown:
		w.fault("exception: %s", exception(e.ExceptionDetails))
	case *log.EventEntryAdded:
		w.fault("log, %s of %s: %s (%s)", e.Entry.Level, e.Entry.Source, e.Entry.Text, e.Entry.URL)
	case *audits.EventIssueAdded:
		w.fault("issue: %s", issue(e.Issue))
	case *network.EventRequestWillBeSent:
		w.sent++
		if e.Type == network.ResourceTypeDocument && e.HasUserGesture {
			w.gestures, w.loadsYet = w.gestures+1, w.loads
		}
		if !w.own(e.Request.URL) {
			w.fault("request to another origin: %.200s", e.Request.URL)
		}
	case *network.EventWebSocketCreated:
		w.fault("a web socket: %.200s", e.URL)
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			w.answered = e.Response.Status
		}
	case *page.EventFrameNavigated:
		if e.Frame.ParentID == "" {
			w.at = e.Frame.URL
			if e.Type == page.NavigationTypeBackForwardCacheRestore {
				w.loads++ // It comes without a load.
			}
		} else {
			w.fault("a frame in the page: %.200s", e.Frame.URL)
		}
	case *page.EventLoadEventFired:
		w.loads++
	}
}

// own reports whether an address is the tab's origin, or the empty page it begins with.
func (w *watch) own(address string) bool {
	return address == "about:blank" || address == w.origin || strings.HasPrefix(address, w.origin+"/")
}

// fault notes one thing, unless it is expected. The lock is held.
func (w *watch) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.ContainsFunc(w.expected, func(e string) bool { return strings.Contains(text, e) }) {
		w.faults = append(w.faults, text+" at "+w.at)
	}
}

// expect takes faults that hold text as right from now on.
func (w *watch) expect(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expected = append(w.expected, text)
}

// take returns the faults so far, and forgets them.
func (w *watch) take() (faults []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	faults, w.faults = w.faults, nil
	return faults
}

// last returns the address of the page.
func (w *watch) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *watch) status() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answered
}

// loaded returns how many pages have loaded.
func (w *watch) loaded() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.loads
}

// pressed returns how many pages were asked for by a press, and whether the last of them
// has loaded.
func (w *watch) pressed() (n int, loaded bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gestures, w.loads > w.loadsYet
}

// Requests returns how many requests the tab has sent.
func (tab *Tab) Requests() int {
	tab.watch.mu.Lock()
	defer tab.watch.mu.Unlock()
	return tab.watch.sent
}

func arguments(args []*runtime.RemoteObject) string {
	var parts []string
	for _, a := range args {
		parts = append(parts, strings.TrimSpace(string(a.Value)+" "+a.Description))
	}
	return strings.Join(parts, " ")
}

func exception(d *runtime.ExceptionDetails) string {
	if d.Exception != nil && d.Exception.Description != "" {
		return d.Exception.Description
	}
	return d.Text
}

// issue names what the browser's own audit has found.
func issue(i *audits.InspectorIssue) string {
	text := string(i.Code)
	if i.Details == nil {
		return text
	}
	if c := i.Details.ContentSecurityPolicyIssueDetails; c != nil {
		text += fmt.Sprintf(": %s, %s", c.ViolatedDirective, c.BlockedURL)
	}
	if g := i.Details.GenericIssueDetails; g != nil {
		text += fmt.Sprintf(": %s of %q", g.ErrorType, g.ViolatingNodeAttribute)
	}
	return text
}
