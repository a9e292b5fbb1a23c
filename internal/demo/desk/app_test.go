package desk

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// Each switch makes an app answer as it says, and the address stays.
func TestModes(t *testing.T) {
	t.Parallel()
	a := appNamed(t, "app", secret)
	a.slowFor = 50 * time.Millisecond
	addr := a.Addr()
	for _, s := range Switches() {
		turn(t, a, s.Mode)
		id, body := sample(t, "message.read")
		began := time.Now()
		got, err := post(t.Context(), a, secret, body)
		if s.Mode == Down {
			if err == nil {
				t.Errorf("down: the port is open, it answers %d", got.status)
			}
			continue
		}
		if err != nil || got.status != s.Mode.status() {
			t.Errorf("%s: it answers %d, %v", s.Mode, got.status, err)
		}
		if took := time.Since(began); s.Mode == Slow && took < a.slowFor {
			t.Errorf("%s: it took %v", s.Mode, took)
		}
		if (got.again == "2") != (s.Mode == Busy) {
			t.Errorf("%s: Retry-After is %q", s.Mode, got.again)
		}
		if forged, err := post(t.Context(), a, "some other secret", body); err != nil || forged.status != http.StatusUnauthorized {
			t.Errorf("%s: a forgery gets %d, %v", s.Mode, forged.status, err)
		}
		latest := a.State().Latest
		if len(latest) < 2 || latest[1].ID != id || latest[1].Status != got.status || !latest[1].Signed || latest[0].Signed || latest[1].Body != nil {
			t.Errorf("%s: it remembers %+v", s.Mode, latest)
		}
		if a.Addr() != addr {
			t.Errorf("%s: it is at %s and was at %s", s.Mode, a.Addr(), addr)
		}
	}
	state := a.State()
	for status, want := range map[int]int{200: 2, 500: 1, 429: 1, 410: 1, 401: 5} {
		if state.Answers[status] != want {
			t.Errorf("it counts %v: want %d of %d", state.Answers, want, status)
		}
	}
}

// What a slow app keeps waiting is answered as soon as it is switched, and the port is
// not held up by it.
func TestSwitchEndsTheWait(t *testing.T) {
	t.Parallel()
	for _, to := range []Mode{Up, Down} {
		t.Run(string(to), func(t *testing.T) {
			t.Parallel()
			a := appNamed(t, "app", secret)
			a.slowFor = time.Hour
			came := make(chan Arrival, 1)
			a.Note = func(a Arrival) { came <- a }
			turn(t, a, Slow)
			_, body := sample(t, "message.read")
			answered := make(chan error, 1)
			go func() {
				got, err := post(context.WithoutCancel(t.Context()), a, secret, body)
				if err == nil && got.status != http.StatusOK {
					t.Errorf("it answers %d", got.status)
				}
				answered <- err
			}()
			<-came
			turn(t, a, to)
			if err := <-answered; err != nil {
				t.Error(err)
			}
		})
	}
}

// It remembers the latest alone, whatever comes.
func TestRemembersLittle(t *testing.T) {
	t.Parallel()
	a := appNamed(t, "app", secret)
	for range maxLatest {
		_, body := sample(t, "message.read")
		if _, err := post(t.Context(), a, secret, body); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := post(t.Context(), a, secret, "no event"); err != nil || got.status != http.StatusOK {
		t.Errorf("a signed body that is no event: %d, %v", got.status, err)
	}
	s := a.State()
	if len(s.Latest) != maxLatest || s.Latest[0].ID != "" || s.Latest[1].ID == "" || s.Answers[200] != maxLatest+1 {
		t.Errorf("it remembers %+v", s)
	}
}
