package e2e

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/internal/platform/emulator"
	"github.com/inboxgate/inboxgate/internal/proctest"
)

// flapTransport counts the answers that the platform gets, and tells each time
// another step of them is full.
type flapTransport struct {
	http.RoundTripper
	answers atomic.Int64
	step    int64
	steps   chan struct{}
}

func (f *flapTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := f.RoundTripper.RoundTrip(r)
	if err == nil && f.answers.Add(1)%f.step == 0 {
		select {
		case f.steps <- struct{}{}:
		default: // The last change is not over yet.
		}
	}
	return res, err
}

// TestE2EPlatformFlapping sends events with every fault of a network through
// the real process while the apps behind it come and go.
func TestE2EPlatformFlapping(t *testing.T) {
	t.Parallel()
	count, within := 10_000, proctest.Patience
	if os.Getenv("INBOXGATE_LONG") != "" {
		count, within = 100_000, 10*proctest.Patience
	}
	inner := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	defer inner.CloseIdleConnections()
	flap := &flapTransport{RoundTripper: inner, step: int64(count / 24), steps: make(chan struct{}, 1)}
	e := startEmulator(t, emulator.Options{Speed: 600, Transport: flap})
	listen := proctest.FreeAddress(t)
	hook, err := e.Create(platform.Registration{URL: "http://" + listen + "/webhooks/inbox", Events: event.Types()})
	if err != nil {
		t.Fatal(err)
	}
	all, failed := newFlapApp(t, "app", hook.Secret), newFlapApp(t, "on-call", hook.Secret)
	all.start(t)
	failed.start(t)
	gate := proctest.Start(t, command(t, t.TempDir(), []string{
		"INBOX_WEBHOOK_SECRET=" + hook.Secret, "INBOX_LISTEN=" + listen,
		"INBOX_UPSTREAM=" + all.Addr, "INBOX_UPSTREAM_MESSAGE_FAILED=" + failed.Addr,
		"INBOX_RETRY_SCHEDULE=100ms,200ms,500ms,1s,1s,2s,2s,2s,4s,4s",
	}))
	gate.Await(t, started, 1)

	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	began := time.Now()
	_, err = e.Send(emulator.SendRequest{
		WebhookID: hook.ID, Count: count, Rate: 1000, Seed: 1, Duplicates: 0.1, Reorder: 0.1,
		Slow: 0.02, Drip: "400ms", Cut: 0.03, BadSignature: 0.01, WrongSecret: 0.01,
	})
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() { sent <- e.Wait(ctx) }()
	comeAndGo(t, []*flapApp{all, failed}, flap.steps, sent)
	answeredAfter := time.Since(began)

	state := e.State()
	want := map[string]map[string]string{all.name: {}, failed.name: {}}
	for _, one := range state.Sent {
		if one.Status != emulator.Delivered {
			continue
		}
		to := all.name
		if one.Type == event.TypeMessageFailed {
			to = failed.name
		}
		want[to][one.EventID] = one.SHA256
	}
	for _, a := range []*flapApp{all, failed} {
		a.await(t, want[a.name])
	}
	drainedAfter := time.Since(began)
	if code := gate.Stop(t); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	accepted, twice, duplicates := checkAnswers(t, state, count)
	t.Logf("the platform: %d events of %d types, %d attempts (%d beside the schedule), all answered after %.1f s; %d forgeries, %d let in",
		state.Counts.Events, len(event.Types()), state.Counts.Attempts, state.Counts.Duplicates, answeredAfter.Seconds(), state.Counts.Forgeries, state.Counts.ForgeriesTaken)
	t.Logf("inboxgate: %d accepted, %d answered as duplicates, %d ids accepted twice", accepted, duplicates, twice)
	refused, lost := 0, 0
	for _, a := range []*flapApp{all, failed} {
		r, l := a.check(t, want[a.name])
		refused, lost = refused+r, lost+l
		t.Logf("%s: %d events got through of %d, down %d times, %d attempts answered 500, %d answers cut by the app itself",
			a.name, len(a.got), len(want[a.name]), a.stops, r, l)
	}
	t.Logf("everything was there after %.1f s", drainedAfter.Seconds())
	if refused == 0 || lost == 0 || all.stops < 3 || failed.stops < 3 {
		t.Errorf("the apps hardly flapped: %d and %d stops, %d refusals, %d cut answers", all.stops, failed.stops, refused, lost)
	}
}

// comeAndGo changes the apps with each step until everything is sent, and
// leaves them up.
func comeAndGo(t *testing.T, apps []*flapApp, steps <-chan struct{}, sent <-chan error) {
	t.Helper()
	changes := []func(a *flapApp){
		func(a *flapApp) { a.refuse(true) },
		func(a *flapApp) { a.refuse(false) },
		func(a *flapApp) { a.stop(true) },
		func(a *flapApp) { a.start(t) },
		func(a *flapApp) { a.stop(false) },
		func(a *flapApp) { a.start(t) },
	}
	for n := 0; ; {
		select {
		case <-steps:
			// Each change at one app, then at the other.
			changes[n/2%len(changes)](apps[n%2])
			n++
			continue
		case err := <-sent:
			if err != nil {
				t.Fatalf("sending: %v", err)
			}
		}
		break
	}
	for _, a := range apps {
		a.refuse(false)
		a.start(t)
	}
}

// checkAnswers holds what the platform was answered against what it may be.
func checkAnswers(t *testing.T, s emulator.State, count int) (accepted, twice, duplicates int) {
	t.Helper()
	c := s.Counts
	if c.Events != count || c.Delivered != count || c.Failed+c.Pending+c.Cancelled+c.Forgotten > 0 {
		t.Errorf("of %d events: %+v", count, c)
	}
	if c.Forgeries == 0 || c.ForgeriesTaken > 0 {
		t.Errorf("%d of %d forgeries were let in", c.ForgeriesTaken, c.Forgeries)
	}
	faults := make(map[string]int)
	for _, one := range s.Sent {
		for _, f := range one.Faults {
			kind, _, _ := strings.Cut(f, ":")
			faults[kind]++
		}
		if one.Status == emulator.Forged {
			continue
		}
		n := 0
		for _, a := range one.Attempts {
			switch a.Result {
			case "accepted":
				n++
			case "duplicate":
				duplicates++
			}
		}
		accepted += n
		if n > 1 {
			twice++
			t.Errorf("%s was accepted %d times: %+v", one.EventID, n, one.Attempts)
		}
		if lost := slices.ContainsFunc(one.Attempts, func(a emulator.Attempt) bool { return a.Status == 0 }); n == 0 && !lost {
			t.Errorf("%s was never accepted: %+v", one.EventID, one.Attempts)
		}
	}
	for kind, want := range map[string]int{"duplicate": count / 10, "reorder": count / 10, "slow": count / 50, "cut": count * 3 / 100} {
		if faults[kind] != want {
			t.Errorf("%d events are %s, want %d", faults[kind], kind, want)
		}
	}
	return accepted, twice, duplicates
}

// startEmulator runs the platform in this process.
func startEmulator(t *testing.T, opts emulator.Options) *emulator.Emulator {
	t.Helper()
	e, err := emulator.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	e.Start()
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}
