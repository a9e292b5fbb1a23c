package gate

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// App receives events of a route. It begins up, and answers 200.
type App struct {
	Addr string

	mu     sync.Mutex
	server *http.Server           // nil while the app is down
	answer func(id string) Answer // nil for 200
	took   map[string]int         // How often it answered 200, by id.
	tried  map[string]int         // How often it was given one, by id.
}

// Answer is what an app says to one event.
type Answer struct {
	Status int
	Body   string
	Header http.Header
}

// NewApp starts an app that runs until the test ends, unless it is taken down.
func NewApp(t testing.TB) *App {
	t.Helper()
	a := &App{Addr: FreeAddress(t), took: map[string]int{}, tried: map[string]int{}}
	t.Cleanup(a.Down)
	a.Up(t)
	return a
}

// Up has the app listen again.
func (a *App) Up(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", a.Addr)
	if err != nil {
		t.Fatalf("starting an app: %v", err)
	}
	server := &http.Server{Handler: a, ReadHeaderTimeout: time.Minute}
	a.mu.Lock()
	a.server = server
	a.mu.Unlock()
	go func() { _ = server.Serve(l) }() // Its end is Down.
}

// Down cuts the app off: nobody listens at its address any more.
func (a *App) Down() {
	a.mu.Lock()
	server := a.server
	a.server = nil
	a.mu.Unlock()
	if server != nil {
		_ = server.Close() // What was under way fails, as it would.
	}
}

// Answers has the app answer by a function of the event's id; nil is 200 to all.
func (a *App) Answers(answer func(id string) Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

// ServeHTTP takes one attempt.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return // It did not come whole.
	}
	id := r.Header.Get("X-Inbox-Event-Id")
	a.mu.Lock()
	a.tried[id]++
	said := Answer{Status: http.StatusOK, Body: "OK"}
	if a.answer != nil {
		said = a.answer(id)
	}
	if said.Status == http.StatusOK {
		a.took[id]++
	}
	a.mu.Unlock()
	for name, values := range said.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(said.Status)
	_, _ = io.WriteString(w, said.Body)
}

// Took returns how often the app has taken an event.
func (a *App) Took(id string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.took[id]
}

// Events returns how many events the app has taken.
func (a *App) Events() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.took)
}

// Await returns once the app has taken n events.
func (a *App) Await(t testing.TB, n int) {
	t.Helper()
	err := until(func() error {
		if have := a.Events(); have < n {
			return fmt.Errorf("the app has taken %d events of %d", have, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// AwaitTried returns once the app was given each of some events as often as times.
func (a *App) AwaitTried(t testing.TB, times int, ids ...string) {
	t.Helper()
	err := until(func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, id := range ids {
			if a.tried[id] < times {
				return fmt.Errorf("the app was given %s %d times of %d", id, a.tried[id], times)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// until returns nil once try does, and what it returned last after Patience.
func until(try func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(Patience)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("waiting for %s", Patience), err)
		}
		<-tick.C
	}
}
