package cli

import (
	"testing"

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
		"3 events, 2 deliveries": stepText(control.Step{Matched: 3, Changed: 2}),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
