package cli

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
)

// A cut list and work under way say of how many, how fast and how long still.
func TestTotalsInText(t *testing.T) {
	t.Parallel()
	total := int64(1204)
	for want, got := range map[string]string{
		"50 events":             listed{n: 50}.text(false),
		"50 of 1,204 events":    listed{n: 50, total: &total}.text(false),
		"1,000 of 1,204 events": listed{n: 1000, total: &total}.text(false),
		"50 of 1,204+ events":   listed{n: 50, total: &total, partial: true}.text(false),
		"50 of 1,204 entries":   listed{n: 50, total: &total}.text(true),
		"3,203 of 10,000 events, 3,203 deliveries, 650/s, 10 s left": stepText(
			control.Step{Matched: 3203, Changed: 3203, Total: 10000, Rest: 6797, Rate: 650}),
		"3,203 of 10,000+ events, 3,100 deliveries, 650.5/s": stepText(
			control.Step{Matched: 3203, Changed: 3100, Total: 10000, Partial: true, Rest: 6797, Rate: 650.5}),
		"1 event, 1 delivery":        stepText(control.Step{Matched: 1, Changed: 1}),
		"1 of 1 event, 0 deliveries": stepText(control.Step{Matched: 1, Total: 1}),
		"0 of 1 event, 0 deliveries": stepText(control.Step{Total: 1}),
		"3 events, 2 deliveries":     stepText(control.Step{Matched: 3, Changed: 2}),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// One is not told to become root twice.
func TestAllowed(t *testing.T) {
	t.Parallel()
	for owner, want := range map[string]string{"inboxgate": "user inboxgate, or as root", "root": "root", "0": "root"} {
		if got := allowed(owner); got != want {
			t.Errorf("%s: got %q, want %q", owner, got, want)
		}
	}
}

// Of a held route's probes one is no plural.
func TestProbesInText(t *testing.T) {
	t.Parallel()
	o := &operator{printer: newPrinter(io.Discard, false, "inboxgate")}
	hold := control.Hold{Since: time.Now(), Reason: "down", Probes: 1, NextProbe: time.Now()}
	got := o.routeState(control.Route{State: control.RouteHeld, Hold: &hold}, time.Now())
	if !strings.Contains(got, "(1 probe failed, next ") {
		t.Errorf("got %q", got)
	}
}
