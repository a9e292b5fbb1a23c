package demo

import (
	"context"
	"io"
	"time"

	"github.com/inboxgate/inboxgate/internal/cli/term"
)

// pace slows the story down so that somebody can read along. A nil pace does nothing.
type pace struct {
	pause  func(time.Duration)
	paused time.Duration // in all
}

const (
	lineTime = 250 * time.Millisecond
	stepTime = 800 * time.Millisecond
	// pacedLimit is more than all pauses of a story take.
	pacedLimit = 90 * time.Second
)

// paceFor returns a pace for a terminal, and none for anything else. Its pauses end
// with ctx.
func paceFor(ctx context.Context, out io.Writer) *pace {
	if term.Screen(out) == 0 {
		return nil
	}
	return &pace{pause: func(t time.Duration) {
		timer := time.NewTimer(t)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}}
}

// line lets a line be read, and step what a step has told.
func (p *pace) line() { p.wait(lineTime) }
func (p *pace) step() { p.wait(stepTime) }

func (p *pace) wait(t time.Duration) {
	if p == nil || p.paused+t > pacedLimit {
		return
	}
	p.paused += t
	p.pause(t)
}

// total returns how long it has paused in all, and atMost how long it may.
func (p *pace) total() time.Duration {
	if p == nil {
		return 0
	}
	return p.paused
}

func (p *pace) atMost() time.Duration {
	if p == nil {
		return 0
	}
	return pacedLimit
}
