package desk

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/testapp"
	"github.com/inboxgate/inboxgate/verify"
)

// App is an app behind inboxgate, as small as one can be: it checks the signature once
// more and answers as its mode says. Set its fields before the first Set.
type App struct {
	// Name is that of its route.
	Name string
	// Takes says in words which events come to it.
	Takes string
	// Verifier knows the webhook's secret.
	Verifier *verify.Verifier
	// Note, if set, is called for each request before it is answered.
	Note func(Arrival)
	// slowFor is how long it takes for an answer in Slow. Default slowness.
	slowFor time.Duration

	switching sync.Mutex // held while the mode changes
	server    testapp.Server

	mu      sync.Mutex // guards all below
	mode    Mode
	changed chan struct{} // closed when the mode changes; nil before the first Set
	got     map[int]int   // answers, by status
	latest  []Arrival     // oldest first, at most maxLatest
}

// Arrival is one request that an app got.
type Arrival struct {
	// App is the app's name.
	App string
	// ID and Type are those of the event, empty if the body is none.
	ID, Type string
	// At is when the whole body was there.
	At   time.Time
	Body []byte // nil in what State returns
	// Signed reports whether it carried the signature of the webhook's secret.
	Signed bool
	// Status is what it was answered.
	Status int
}

// maxLatest is how many arrivals an app remembers.
const maxLatest = 10

// Set switches the app to a mode, and returns once it behaves so. An app keeps its
// address while it is down.
func (a *App) Set(m Mode) error {
	a.switching.Lock()
	defer a.switching.Unlock()
	a.mu.Lock()
	was, changed := a.mode, a.changed
	a.mode, a.changed = m, make(chan struct{})
	a.mu.Unlock()
	if changed != nil {
		close(changed)
	}
	if m == Down {
		a.stop()
		return nil
	}
	a.server.Handler = http.HandlerFunc(a.receive)
	if err := a.server.Start(); err != nil {
		a.mu.Lock()
		a.mode = was
		a.mu.Unlock()
		return fmt.Errorf("starting the app %s: %w", a.Name, err)
	}
	return nil
}

// Addr returns where the app listens, which the first Set chooses.
func (a *App) Addr() string {
	a.switching.Lock()
	defer a.switching.Unlock()
	return a.server.Addr
}

// stop closes the port. Requests that have begun are answered first, so that whatever
// arrived also counts as delivered.
func (a *App) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	<-a.server.Leave(ctx) //nolint:errcheck // What was cut is tried again.
	a.server.Wait()
}

// receive records a request and answers it.
func (a *App) receive(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, verify.DefaultMaxBody))
	if err != nil {
		http.Error(w, "the body did not come", http.StatusBadRequest)
		return
	}
	came := Arrival{App: a.Name, At: time.Now(), Body: body}
	_, err = a.Verifier.Verify(body, req.Header.Values(verify.Header)...)
	came.Signed = err == nil
	if e, err := event.Parse(body); err == nil {
		came.ID, came.Type = e.ID, e.Type
	}
	mode, changed := a.record(&came)
	if a.Note != nil {
		a.Note(came)
	}
	if mode == Slow && came.Signed {
		dawdle(req.Context(), cmp.Or(a.slowFor, slowness), changed)
	}
	reply(w, came.Status)
}

// record decides about the answer and counts it.
func (a *App) record(came *Arrival) (Mode, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	came.Status = http.StatusUnauthorized
	if came.Signed {
		came.Status = a.mode.status()
	}
	if came.Status == 0 { // It came in before the port was closed.
		came.Status = http.StatusOK
	}
	if a.got == nil {
		a.got = make(map[int]int)
	}
	a.got[came.Status]++
	brief := *came
	brief.Body = nil
	if len(a.latest) == maxLatest {
		a.latest = slices.Delete(a.latest, 0, 1)
	}
	a.latest = append(a.latest, brief)
	return a.mode, a.changed
}

// dawdle waits for d, as a slow app does, until the mode changes or nobody waits.
func dawdle(ctx context.Context, d time.Duration, changed <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
}

// AppState is what an app does, and what it got.
type AppState struct {
	Name, Takes string
	Addr        string
	Mode        Mode
	// Answers count what it answered, by status.
	Answers map[int]int
	// Latest are the latest arrivals, newest first, without their bodies.
	Latest []Arrival
}

// State returns a copy of what the app is now.
func (a *App) State() AppState {
	s := AppState{Name: a.Name, Takes: a.Takes, Addr: a.Addr()}
	a.mu.Lock()
	defer a.mu.Unlock()
	s.Mode, s.Latest, s.Answers = a.mode, slices.Clone(a.latest), make(map[int]int)
	for status, n := range a.got {
		s.Answers[status] = n
	}
	slices.Reverse(s.Latest)
	return s
}

// Mode returns how the app behaves.
func (a *App) Mode() Mode {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mode
}
