package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// while is how long one step may take before it counts as failed.
	while = 12 * time.Second
	// outage is how many events come while the app is down.
	outage = 20
)

// story is the demo's course, and what it has found so far.
type story struct {
	*demo
	sent   sentBodies
	wrong  []string
	failed message // The message.failed of the first step.
}

// tell plays the story and returns what went wrong in it.
func (d *demo) tell(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	s := &story{demo: d, sent: make(sentBodies)}
	begun := time.Now()
	s.introduce()
	for _, step := range []func(context.Context){s.fourEvents, s.duplicate, s.forgery, s.appDown, s.appBack, s.settle} {
		if step(ctx); ctx.Err() != nil {
			s.fault("the story was not over after %s", time.Since(begun).Round(time.Second))
			break
		}
	}
	s.wrong = append(s.wrong, d.ledger.faults(s.sent)...)
	if len(s.wrong) == 0 {
		app, onCall := d.ledger.arrived(appRoute), d.ledger.arrived(onCallRoute)
		s.say("\n%s %d deliveries to the app and %d to on-call: none missing, none doubled, every byte as sent.",
			s.paint.good("All well."), app, onCall)
		s.say("The story took %.1f s.", time.Since(begun).Seconds())
	}
	return s.wrong
}

func (s *story) introduce() {
	s.say("%s", s.paint.bold("inboxgate between the Inbox platform and two apps, all on this machine"))
	s.say("\n  inboxgate  %s", s.gate.url)
	s.say("  app        http://%s%s  takes every event", s.app.addr, webhookPath)
	s.say("  on-call    http://%s/alerts  takes message.failed too", s.onCall.addr)
}

func (s *story) step(text string) { s.say("\n%s", s.paint.bold(text)) }

func (s *story) fault(format string, args ...any) {
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

// message makes a new event and remembers its bytes.
func (s *story) message(typ string) message {
	m, err := sampleMessage(typ, time.Now(), s.secret)
	if err != nil {
		s.fault("%v", err)
	}
	s.sent[m.id] = m.body
	return m
}

// post sends m and holds the answer against what it has to be.
func (s *story) post(ctx context.Context, m message, status int, result string) (reply, bool) {
	r := s.platform.send(ctx, m)
	switch {
	case r.err != nil:
		s.fault("%s got no answer: %v", m.typ, r.err)
	case r.status != status || r.result != result:
		s.fault("%s got %s and should have got %s", m.typ, answerText(r.status, r.result), answerText(status, result))
	default:
		return r, true
	}
	return r, false
}

func answerText(status int, result string) string {
	return strings.TrimSpace(fmt.Sprint(status, " ", result))
}

// line tells of one answer and what became of the event.
func (s *story) line(m message, r reply, right bool, became string) {
	answer, ms := answerText(r.status, r.result), millis(r.took)
	if r.err != nil {
		answer = "no answer"
	}
	answer = fmt.Sprintf("%-13s", answer)
	if right {
		answer = s.paint.good(answer)
	} else {
		answer = s.paint.bad(answer)
	}
	s.say("   %-17s  %s %9s   %s", m.typ, answer, ms, became)
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// goesTo lists the deliveries that an event becomes.
func goesTo(m message) []delivery {
	to := []delivery{{appRoute, m.id}}
	if m.typ == event.TypeMessageFailed {
		to = append(to, delivery{onCallRoute, m.id})
	}
	return to
}

func (s *story) fourEvents(ctx context.Context) {
	s.step("1. The platform sends its four events, signed.")
	for _, typ := range event.Types() {
		m := s.message(typ)
		if typ == event.TypeMessageFailed {
			s.failed = m
		}
		start := time.Now()
		r, ok := s.post(ctx, m, http.StatusOK, resultAccepted)
		if !ok {
			s.line(m, r, false, "")
			continue
		}
		s.ledger.expect(goesTo(m)...)
		s.line(m, r, true, s.arrivals(ctx, start, goesTo(m)))
	}
	s.say("   Each 200 came after the event was on disk; its app got the same bytes and signature.")
}

// arrivals waits for deliveries and tells how long each took.
func (s *story) arrivals(ctx context.Context, start time.Time, ds []delivery) string {
	ctx, cancel := context.WithTimeout(ctx, while)
	defer cancel()
	at, err := s.ledger.await(ctx, ds...)
	if err != nil {
		return "" // The ledger will say which is missing.
	}
	var parts []string
	for i, d := range ds {
		parts = append(parts, fmt.Sprintf("%s has it after %s", d.receiver, millis(at[i].Sub(start))))
	}
	return strings.Join(parts, ", ")
}

func (s *story) duplicate(ctx context.Context) {
	s.step("2. It sends one of them again, as it does when an answer got lost.")
	r, ok := s.post(ctx, s.failed, http.StatusOK, resultDuplicate)
	s.line(s.failed, r, ok, "nobody gets it twice")
}

func (s *story) forgery(ctx context.Context) {
	s.step("3. Somebody sends an event without knowing the secret.")
	m := forge(s.message(event.TypeMessageAction), s.secret)
	r, ok := s.post(ctx, m, http.StatusUnauthorized, "")
	s.line(m, r, ok, "nobody gets it")
}

func (s *story) appDown(ctx context.Context) {
	s.step(fmt.Sprintf("4. The app goes down. %d more events come in.", outage))
	s.app.stop()
	var took []time.Duration
	var alerts []delivery
	start := time.Now()
	for i := range outage {
		m := s.message(event.Types()[i%len(event.Types())])
		r, ok := s.post(ctx, m, http.StatusOK, resultAccepted)
		if !ok {
			continue
		}
		took = append(took, r.took)
		to := goesTo(m)
		s.ledger.expect(to...)
		alerts = append(alerts, to[1:]...)
	}
	if len(took) > 0 {
		slices.Sort(took)
		s.say("   %d of %d got %s, the slowest after %s", len(took), outage, s.paint.good("200 accepted"), millis(took[len(took)-1]))
	}
	ctx, cancel := context.WithTimeout(ctx, while)
	defer cancel()
	if at, err := s.ledger.await(ctx, alerts...); err == nil {
		s.say("   on-call does not feel it: it has its %d after %s", len(alerts), millis(slices.MaxFunc(at, time.Time.Compare).Sub(start)))
	}
	if err := s.gate.await(ctx, func(routes map[string]spool.RouteState) bool {
		app := routes[appRoute]
		return app.Waiting == int64(len(took)) && app.Running == 0 && app.Hold != nil
	}); err != nil {
		s.fault("%d deliveries should wait for the app, and its route should be held: %v", len(took), err)
		return
	}
	s.say("   %d wait on disk for the app. Its route is held: a probe now and then, no attempt used up.", len(took))
}

func (s *story) appBack(ctx context.Context) {
	s.step("5. The app comes back.")
	waiting := s.ledger.waiting()
	back := time.Now()
	if err := s.app.start(); err != nil {
		s.fault("%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, while)
	defer cancel()
	at, err := s.ledger.await(ctx, waiting...)
	if err != nil || len(at) == 0 {
		s.fault("after the app came back: %d deliveries waited: %v", len(waiting), err)
		return
	}
	slices.SortFunc(at, time.Time.Compare)
	first, last := at[0], at[len(at)-1]
	s.say("   The next probe reaches it after %s, and all %d are there %s later.", millis(first.Sub(back)), len(at), millis(last.Sub(first)))
}

// settle waits until the store has nothing left to deliver: only then is it
// certain that nothing more arrives.
func (s *story) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, while)
	defer cancel()
	if err := s.gate.await(ctx, func(routes map[string]spool.RouteState) bool {
		for _, r := range routes {
			if r.Waiting+r.Running+r.Dead > 0 || r.Hold != nil {
				return false
			}
		}
		return true
	}); err != nil {
		s.fault("deliveries are left over: %v", err)
	}
}
