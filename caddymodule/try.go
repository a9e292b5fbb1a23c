package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/inboxgate/inboxgate/internal/deliver"
)

// attemptKey holds the try in the context of its request. A request with one that
// comes back to us, by `invoke` perhaps, would be answered as a duplicate of itself.
type attemptKey struct{}

// maxRepeats bounds how often one attempt follows a kept connection that died. One
// is enough but where another attempt has just given back a connection of its own.
const maxRepeats = 2

var (
	// errEnough ends a try whose status is known and whose body goes on.
	errEnough = errors.New("the status is known and the rest of the answer is not needed")
	// errPatience ends a try whose connection does not come to stand while other
	// addresses have not been asked.
	errPatience = errors.New("no connection in time")
)

// Stages of a try's connection.
const (
	connecting int32 = iota
	connected
	givenUp
)

// try is one run of a route's handlers. An attempt has one, or more where an
// address could not be reached.
type try struct {
	tour   *tour
	rec    *recorder
	cancel context.CancelCauseFunc
	began  time.Time
	err    error // What the handlers returned.
	left   bool  // They go on, and may write to what is theirs.

	asked  atomic.Bool // A connection for HTTP was asked for.
	stage  atomic.Int32
	reused atomic.Bool  // The connection had served another request.
	sent   atomic.Bool  // The request's head was written.
	spoke  atomic.Bool  // A byte of an answer came.
	took   atomic.Int64 // Nanoseconds until a new connection stood; 0 unless one did.

	// at is the place that InTurn chose, nil where nothing chose among several.
	at    *place
	timer *time.Timer // Of at's patience.
}

// trace watches the connection: errors look alike before and after the request was
// sent, on new connections and on kept ones.
func (t *try) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { t.asked.Store(true) },
		GotConn: func(info httptrace.GotConnInfo) {
			t.reused.Store(info.Reused)
			if !info.Reused {
				t.took.Store(int64(time.Since(t.began)))
			}
			t.stage.CompareAndSwap(connecting, connected)
		},
		WroteHeaders:         func() { t.sent.Store(true) },
		GotFirstResponseByte: func() { t.spoke.Store(true) },
	}
}

// arm gives the connection until then to stand.
func (t *try) arm(patience time.Duration) {
	t.timer = time.AfterFunc(patience, func() {
		if t.stage.CompareAndSwap(connecting, givenUp) {
			t.cancel(errPatience)
		}
	})
}

func (t *try) end() {
	if t.timer != nil {
		t.timer.Stop()
	}
	if l := t.rec.linger; l != nil {
		l.Stop()
	}
}

// stood says that a connection to the app is known to have stood, its TLS handshake
// done, in time to be used.
func (t *try) stood() bool { return t.stage.Load() == connected || t.sent.Load() }

// kept says that the request never left: its connection did not come to stand.
func (t *try) kept() bool { return t.asked.Load() && !t.stood() }

// slow says that the connection was given up before anything was sent.
func (t *try) slow() bool { return t.stage.Load() == givenUp && !t.sent.Load() }

// died says that a kept connection ended under the request without a byte of an
// answer: the app has closed it, most likely before it saw the request.
func (t *try) died(ctx context.Context, a deliver.Answer) bool {
	var he caddyhttp.HandlerError
	return a.Status == 0 && a.Reach == deliver.Broken && ctx.Err() == nil &&
		t.reused.Load() && !t.spoke.Load() &&
		errors.As(t.err, &he) && he.StatusCode == http.StatusBadGateway // Not a timeout.
}

// tour is what the tries of one attempt have found. Its user is the attempt, and
// within a run its handlers.
type tour struct {
	repeats int
	// places are those that the last choice was among.
	places []*place
	// gone are places that cannot be reached, with the error.
	gone []loss
	// waited are places that ran out of patience in this round.
	waited []*place
	round  int
}

type loss struct {
	at  *place
	err error
}

// goesOn notes what a try has found, and says whether another address is to be tried.
func (t *tour) goesOn(ctx context.Context, by *try, a deliver.Answer) bool {
	p := by.at
	if p == nil || a.Reach == deliver.Aborted {
		return false
	}
	switch {
	case a.Reach == deliver.Answered:
		p.well(time.Duration(by.took.Load()))
		return false
	case a.Reach != deliver.Unreached || by.stood():
		p.broke(by) // Something was sent: nobody else gets it now.
		return false
	case by.slow():
		p.broke(by)
		t.waited = append(t.waited, p)
		if len(t.waited)+len(t.gone) >= len(t.places) {
			t.waited = nil
			t.round++
		}
	default:
		p.broke(by)
		t.gone = append(t.gone, loss{p, a.Err})
		if left := len(t.places) - len(t.gone); left > 0 && len(t.waited) >= left {
			t.waited = nil
			t.round++
		}
	}
	return ctx.Err() == nil && len(t.gone) < len(t.places)
}

// lost says whether p cannot be reached.
func (t *tour) lost(p *place) bool {
	for _, l := range t.gone {
		if l.at == p {
			return true
		}
	}
	return false
}

// sum is the answer of an attempt whose last one is a: where nobody was reached, it
// names everybody.
func (t *tour) sum(a deliver.Answer) deliver.Answer {
	if a.Reach != deliver.Unreached || len(t.gone) == 0 || len(t.places) < 2 {
		return a
	}
	var all []string
	for _, l := range t.gone {
		text := l.err.Error()
		if !strings.Contains(text, l.at.name) {
			text = l.at.name + ": " + text
		}
		all = append(all, text)
	}
	for _, p := range t.places {
		if !t.lost(p) {
			all = append(all, fmt.Sprintf("%s: %v", p.name, errPatience))
		}
	}
	a.Err = errors.New(strings.Join(all, "; "))
	return a
}
