package demo

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/internal/platform/emulator"
)

// What inboxgate says of an event in X-Inbox-Result.
const (
	accepted  = "accepted"
	duplicate = "duplicate"
)

// step prints the heading of a step.
func (s *story) step(text string) {
	s.pace.step()
	s.say("\n%s", s.paint.Bold(text))
}

// say prints lines, no faster than somebody can read.
func (s *story) say(format string, args ...any) {
	s.demo.say(format, args...)
	s.pace.line()
}

// fault records that something went wrong.
func (s *story) fault(format string, args ...any) {
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

// send has the platform send events, and records the digest of their bodies.
func (s *story) send(ctx context.Context, r emulator.SendRequest) []emulator.Sent {
	sent, err := s.platform.send(ctx, r)
	if err != nil {
		s.fault("%s: %v", r.Type, err)
	}
	for _, one := range sent {
		s.sent[one.EventID] = one.SHA256
		// An event that the platform counts as delivered must reach its apps.
		if one.Status == emulator.Delivered {
			s.ledger.expect(goesTo(one)...)
		}
	}
	return sent
}

// accepted reports whether the first attempt was answered 200 accepted; if not, that
// is a fault.
func (s *story) accepted(one emulator.Sent) bool {
	return s.answered(one, 0, http.StatusOK, accepted)
}

// answered reports whether attempt i was answered like that; if not, that is a fault.
func (s *story) answered(one emulator.Sent, i, status int, result string) bool {
	if i >= len(one.Attempts) {
		s.fault("%s was not sent", one.Type)
		return false
	}
	switch a := one.Attempts[i]; {
	case a.Status == 0:
		s.fault("%s got no answer: %s", one.Type, a.Error)
	case a.Status != status || a.Result != result:
		s.fault("%s got %s and should have got %s", one.Type, answerText(a.Status, a.Result), answerText(status, result))
	default:
		return true
	}
	return false
}

// answerText returns an answer as the demo prints it.
func answerText(status int, result string) string {
	return strings.TrimSpace(fmt.Sprint(status, " ", result))
}

// line prints one answer and what became of the event.
func (s *story) line(one emulator.Sent, i int, right bool, became string) {
	answer, took := "no answer", ""
	if i < len(one.Attempts) {
		if a := one.Attempts[i]; a.Status != 0 {
			answer, took = answerText(a.Status, a.Result), wholeMillis(a.DurationMS)
		}
	}
	answer = fmt.Sprintf("%-13s", answer)
	if right {
		answer = s.paint.Good(answer)
	} else {
		answer = s.paint.Bad(answer)
	}
	s.say("   %-17s  %s %7s   %s", one.Type, answer, took, became)
}

// millis returns a duration in milliseconds.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// wholeMillis returns a number of milliseconds as the platform counts them.
func wholeMillis(ms int64) string {
	if ms == 0 {
		return "< 1 ms"
	}
	return fmt.Sprintf("%d ms", ms)
}

// goesTo returns the deliveries that an event becomes, that to the app first.
func goesTo(one emulator.Sent) []delivery {
	to := []delivery{{appRoute, one.EventID}}
	if one.Type == event.TypeMessageFailed {
		to = append(to, delivery{onCallRoute, one.EventID})
	}
	return to
}

// arrivals waits for deliveries, and returns in words how long each took.
func (s *story) arrivals(ctx context.Context, start time.Time, ds []delivery) string {
	ctx, cancel := context.WithTimeout(ctx, while)
	defer cancel()
	at, err := s.ledger.await(ctx, ds...)
	if err != nil {
		return "" // The ledger reports which is missing.
	}
	var parts []string
	for i, d := range ds {
		parts = append(parts, fmt.Sprintf("%s has it after %s", d.receiver, millis(at[i].Sub(start))))
	}
	return strings.Join(parts, ",\n"+strings.Repeat(" ", 46)) // Below each other.
}

// platformSide compares what the platform has counted, and the log of its API, with
// what was sent.
func (s *story) platformSide(ctx context.Context) {
	s.step("What the platform saw")
	logs, err := s.platform.client.Logs(ctx, s.platform.webhook.ID)
	if err != nil {
		s.fault("reading the platform's log: %v", err)
		return
	}
	c := s.platform.emulator.Counts()
	first := 0
	for _, e := range logs {
		if e.Attempt == 1 && e.Status == platform.LogDelivered {
			first++
		}
	}
	switch {
	case c.Pending+c.Failed+c.Cancelled > 0 || c.Delivered != c.Events:
		s.fault("the platform could deliver %d of %d events", c.Delivered, c.Events)
	case first != c.Events || len(logs) != c.Events:
		s.fault("the platform's log has %d attempts and %d first ones with success for %d events", len(logs), first, c.Events)
	case c.ForgeriesTaken > 0:
		s.fault("%d forgeries were answered with success", c.ForgeriesTaken)
	default:
		s.say("   Its log of attempts: %d events, %d attempts, each answered 200 at once, none to repeat.", c.Events, c.Attempts)
		s.say("   Beside them %d duplicate, answered 200, and %d forgeries, all refused.", c.Duplicates, c.Forgeries)
	}
}
