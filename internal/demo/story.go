package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/demo/desk"
	"github.com/inboxgate/inboxgate/internal/platform/emulator"
)

const (
	// while is how long one step may take before it counts as failed.
	while = 12 * time.Second
	// outage is how many events of each type are sent while the app is down.
	outage = 5
)

// story plays the demo step by step.
type story struct {
	*demo
	sent  sentSums
	wrong []string // the faults so far
}

// play plays the story and returns what went wrong in it.
func (d *demo) play(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, limit+d.pace.atMost())
	defer cancel()
	s := &story{demo: d, sent: make(sentSums)}
	begun := time.Now()
	s.introduce()
	for _, step := range []func(context.Context){s.fourEvents, s.duplicate, s.forgeries, s.appDown, s.appBack, s.settle, s.platformSide} {
		if step(ctx); ctx.Err() != nil {
			s.fault("the story was not over after %s", time.Since(begun).Round(time.Second))
			break
		}
	}
	s.wrong = append(s.wrong, d.ledger.faults(s.sent)...)
	if len(s.wrong) == 0 {
		app, onCall := d.ledger.arrived(appRoute), d.ledger.arrived(onCallRoute)
		s.say("\n%s %d deliveries to the app and %d to on-call: none missing, none doubled, every byte as sent.",
			s.paint.Good("All well."), app, onCall)
		s.say("The story took %.1f s.", (time.Since(begun) - d.pace.total()).Seconds())
	}
	return s.wrong
}

// introduce prints what there is, and where.
func (s *story) introduce() {
	s.say("%s", s.paint.Bold("inboxgate between the Inbox platform and two apps, all on this machine"))
	s.say("\n  platform   %s  an emulator: it signs, sends, repeats", s.platform.client.BaseURL)
	s.say("  inboxgate  %s", s.gate.url)
	s.say("  app        http://%s%s  takes every event", s.app.Addr(), webhookPath)
	s.say("  on-call    http://%s/alerts  takes message.failed too", s.onCall.Addr())
	s.say("\ninboxgate is registered there as %s, and has the secret that the API answered with.", s.platform.webhook.ID)
}

func (s *story) fourEvents(ctx context.Context) {
	s.step("1. The platform sends its four events, signed.")
	for _, typ := range event.Types() {
		start := time.Now()
		for _, one := range s.send(ctx, emulator.SendRequest{Type: typ}) {
			became := ""
			ok := s.accepted(one)
			if ok {
				became = s.arrivals(ctx, start, goesTo(one))
			}
			s.line(one, 0, ok, became)
		}
	}
	s.say("   Each 200 came after the event was on disk; its app got the same bytes and signature.")
}

func (s *story) duplicate(ctx context.Context) {
	s.step("2. It sends one event twice, as it does when an answer got lost.")
	start := time.Now()
	for _, one := range s.send(ctx, emulator.SendRequest{Type: event.TypeMessageFailed, Duplicates: 1}) {
		became := ""
		ok := s.accepted(one)
		if ok {
			became = s.arrivals(ctx, start, goesTo(one))
		}
		s.line(one, 0, ok, became)
		if len(one.Attempts) != 2 {
			s.fault("%s was sent %d times and should have been sent twice", one.EventID, len(one.Attempts))
			continue
		}
		s.line(one, 1, s.answered(one, 1, http.StatusOK, duplicate), "nobody gets it twice")
	}
}

func (s *story) forgeries(ctx context.Context) {
	s.step("3. Somebody who does not know the secret sends two forgeries beside a real event.")
	start := time.Now()
	for _, one := range s.send(ctx, emulator.SendRequest{Type: event.TypeMessageAction, WrongSecret: 1, BadSignature: 1}) {
		if one.Status == emulator.Forged {
			why := "a broken signature"
			if slices.Contains(one.Faults, "wrong_secret") {
				why = "another secret"
			}
			s.line(one, 0, s.answered(one, 0, http.StatusUnauthorized, ""), why+": nobody gets it")
			continue
		}
		became := ""
		ok := s.accepted(one)
		if ok {
			became = s.arrivals(ctx, start, goesTo(one))
		}
		s.line(one, 0, ok, became)
	}
}

func (s *story) appDown(ctx context.Context) {
	s.step(fmt.Sprintf("4. The app goes down. %d more events come in.", outage*len(event.Types())))
	if err := s.app.Set(desk.Down); err != nil {
		s.fault("%v", err)
	}
	var taken int
	var slowest int64
	var alerts []delivery
	start := time.Now()
	for _, typ := range event.Types() {
		for _, one := range s.send(ctx, emulator.SendRequest{Type: typ, Count: outage}) {
			if s.accepted(one) {
				taken++
				slowest = max(slowest, one.Attempts[0].DurationMS)
				alerts = append(alerts, goesTo(one)[1:]...)
			}
		}
	}
	if taken > 0 {
		s.say("   %d of %d got %s, the slowest after %s", taken, outage*len(event.Types()), s.paint.Good("200 accepted"), wholeMillis(slowest))
	}
	ctx, cancel := context.WithTimeout(ctx, while)
	defer cancel()
	if at, err := s.ledger.await(ctx, alerts...); err == nil && len(at) > 0 {
		s.say("   on-call does not feel it: it has its %d after %s", len(alerts), millis(slices.MaxFunc(at, time.Time.Compare).Sub(start)))
	}
	if err := s.gate.await(ctx, func(routes map[string]control.Route) bool {
		app := routes[appRoute]
		return app.Waiting == int64(taken) && app.Running == 0 && app.Hold != nil
	}); err != nil {
		s.fault("%d deliveries should wait for the app, and its route should be held: %v", taken, err)
		return
	}
	s.say("   %d wait on disk for the app. Its route is held: a probe now and then, no attempt used up.", taken)
}

func (s *story) appBack(ctx context.Context) {
	s.step("5. The app comes back.")
	waiting := s.ledger.waiting()
	back := time.Now()
	if err := s.app.Set(desk.Up); err != nil {
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

// settle waits until nothing is left to deliver: only then is it certain that nothing
// more arrives.
func (s *story) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, while)
	defer cancel()
	if err := s.gate.await(ctx, func(routes map[string]control.Route) bool {
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
