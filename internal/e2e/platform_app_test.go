package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/testapp"
	"github.com/inboxgate/inboxgate/verify"
)

// What became of an arrival, as far as the app can know.
const (
	flapWorking  = iota
	flapAnswered // 200, and the connection lived on
	flapRefused  // 500
	flapLost     // 200, but the app closed the connection: perhaps nobody read it
)

// flapArrival is one attempt that came to a flapping app.
type flapArrival struct {
	id, sum string
	state   int
}

// flapApp is an app that comes and goes. It knows of each attempt whether it
// answered it, so that a repeat is either its own doing or a fault.
type flapApp struct {
	testapp.Server
	name, secret string

	mu       sync.Mutex
	up       bool
	hard     *bool // of the present server: its stop breaks connections
	refusing bool
	hanging  bool                      // no answer before the connection breaks
	got      map[string][]*flapArrival // by event id
	through  map[string]bool           // events that were answered 200, read or not
	refused  map[string]int
	faults   []string
	stops    int
	taken    int           // arrivals that were not refused
	changed  chan struct{} // closed and replaced at each change
}

// flapConn is what a connection is working on.
type flapConn struct{ now *flapArrival }

type flapConnKey struct{}

func newFlapApp(t *testing.T, name, secret string) *flapApp {
	t.Helper()
	a := &flapApp{
		name: name, secret: secret,
		got: make(map[string][]*flapArrival), through: make(map[string]bool), refused: make(map[string]int), changed: make(chan struct{}),
	}
	a.Addr, a.Handler, a.Configure = proctest.FreeAddress(t), http.HandlerFunc(a.take), a.watch
	a.Failed = func(err error) { a.fault("the app %s ended: %v", a.name, err) }
	t.Cleanup(func() { a.stop(true) })
	return a
}

func (a *flapApp) start(t *testing.T) {
	t.Helper()
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.up = true
}

// watch makes a new server say what became of each connection.
func (a *flapApp) watch(s *http.Server) {
	conns, hard := make(map[net.Conn]*flapConn), new(bool)
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		a.mu.Lock()
		defer a.mu.Unlock()
		conns[c] = &flapConn{}
		return context.WithValue(ctx, flapConnKey{}, conns[c])
	}
	s.ConnState = func(c net.Conn, state http.ConnState) {
		a.mu.Lock()
		defer a.mu.Unlock()
		on := conns[c]
		switch {
		case on == nil:
			return
		case state == http.StateIdle, state == http.StateClosed && !*hard:
			a.end(on, flapAnswered)
		case state == http.StateClosed:
			a.end(on, flapLost)
		}
		if state == http.StateClosed {
			delete(conns, c)
		}
		a.tell()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hard = hard
}

// end settles the attempt that the connection was working on.
func (a *flapApp) end(c *flapConn, state int) {
	if c.now != nil && c.now.state == flapWorking {
		c.now.state = state
		a.through[c.now.id] = true
	}
	c.now = nil
}

// stop closes the port: softly after all answers, hard in the middle of them.
func (a *flapApp) stop(hard bool) {
	if hard {
		a.catch()
	}
	a.mu.Lock()
	a.hanging = false
	up := a.up
	a.up = false
	if up {
		a.stops++
		*a.hard = hard
	}
	a.mu.Unlock()
	if hard {
		a.Cut()
	} else if err := a.Stop(); err != nil {
		a.fault("the app %s does not end: %v", a.name, err)
	}
	a.Wait()
}

// catch waits until an attempt is on its way, which is then not answered. While
// the route is held there may be none for some time.
func (a *flapApp) catch() {
	timeout := time.NewTimer(time.Second)
	defer timeout.Stop()
	a.mu.Lock()
	a.hanging = a.up
	before, up := a.taken, a.up
	a.mu.Unlock()
	for up {
		a.mu.Lock()
		caught, changed := a.taken > before, a.changed
		a.mu.Unlock()
		if caught {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			return
		}
	}
}

// refuse makes the app answer 500, at most twice an event: more would only wait
// longer.
func (a *flapApp) refuse(yes bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusing = yes
}

func (a *flapApp) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // Cut by a hard stop.
	}
	if status := a.note(r, body); status != http.StatusOK {
		w.WriteHeader(status)
		return
	}
	if a.isHanging() {
		<-r.Context().Done()
		return
	}
	_, _ = io.WriteString(w, "OK")
}

func (a *flapApp) note(r *http.Request, body []byte) int {
	sum := sha256.Sum256(body)
	id := r.Header.Get("X-Inbox-Event-Id")
	arrival := &flapArrival{id: id, sum: hex.EncodeToString(sum[:])}
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.tell()
	if r.Header.Get(verify.Header) != verify.Sign([]byte(a.secret), body) {
		a.faults = append(a.faults, fmt.Sprintf("%q came to %s without its signature", id, a.name))
	}
	a.got[id] = append(a.got[id], arrival)
	if a.refusing && a.refused[id] < 2 {
		a.refused[id]++
		arrival.state = flapRefused
		return http.StatusInternalServerError
	}
	if on, ok := r.Context().Value(flapConnKey{}).(*flapConn); ok {
		on.now = arrival
	}
	a.taken++
	return http.StatusOK
}

func (a *flapApp) isHanging() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hanging
}

func (a *flapApp) fault(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = append(a.faults, fmt.Sprintf(format, args...))
}

// tell is called with the lock held.
func (a *flapApp) tell() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// await waits until each event has got through.
func (a *flapApp) await(t *testing.T, ids map[string]string) {
	t.Helper()
	timeout := time.NewTimer(proctest.Patience)
	defer timeout.Stop()
	for {
		a.mu.Lock()
		// check looks at which they are; here it would take too long each time.
		missing, changed := len(ids)-len(a.through), a.changed
		a.mu.Unlock()
		if missing <= 0 {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("%d of %d events never got through to %s", missing, len(ids), a.name)
		}
	}
}

// check holds what came against what should have, by id and SHA-256, and
// returns how often the app had an event again by its own doing.
func (a *flapApp) check(t *testing.T, ids map[string]string) (refused, lost int) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	faults := a.faults
	for id := range ids {
		if !a.through[id] {
			faults = append(faults, fmt.Sprintf("%s never got through to %s", id, a.name))
		}
	}
	for id, all := range a.got {
		want, known := ids[id]
		if !known {
			faults = append(faults, fmt.Sprintf("%q came to %s and should not have", id, a.name))
		}
		for i, arrival := range all {
			switch {
			case known && arrival.sum != want:
				faults = append(faults, fmt.Sprintf("%s came to %s with other bytes", id, a.name))
			case arrival.state == flapRefused:
				refused++
			case arrival.state == flapLost:
				lost++
			case i < len(all)-1:
				faults = append(faults, fmt.Sprintf("%s came to %s again although it was answered 200", id, a.name))
			}
		}
	}
	if len(faults) > 0 {
		t.Errorf("%d faults:\n%s", len(faults), history.First(faults))
	}
	return refused, lost
}
