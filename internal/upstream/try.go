// Package upstream is what an attempt to deliver knows of HTTP: what its connections
// did, what was answered, which of several addresses is asked next, and what all that
// means for the delivery.
//
// Guarantee: another address, or the same one again, gets the request only where
// nothing of it was sent, or where a kept connection died without a byte of an answer.
// A final status that was read decides, however its body went on.
//
// Limits: it sees connections through net/http's traces. Of a transport without them,
// such as fastcgi's, only the error is known.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/deliver"
)

// tryKey holds the try in the context of its request.
type tryKey struct{}

// Of returns the try whose request has that context, nil if it is no attempt's.
func Of(ctx context.Context) *Try {
	t, _ := ctx.Value(tryKey{}).(*Try)
	return t
}

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

// Failure is the error of a run's handlers, as far as it says what happened.
type Failure struct {
	Err error // nil if they have ended well.
	// Handler is set if a handler has given a status with the error: Status, as
	// Caddy's reverse_proxy does.
	Handler bool
	Status  int
	// Dial is set if no connection could be made.
	Dial bool
}

// Try is one run of a route's handlers. An attempt has one, or more where an
// address could not be reached.
type Try struct {
	tour   *Tour
	rec    *Recorder
	cancel context.CancelCauseFunc // Of the run.
	began  time.Time
	failed Failure // Of the handlers, once they have ended.
	left   bool    // They go on, and may write to what is theirs.

	asked  atomic.Bool  // A connection for HTTP was asked for.
	stage  atomic.Int32 // connecting, connected or givenUp.
	reused atomic.Bool  // The connection had served another request.
	sent   atomic.Bool  // The request's head was written.
	spoke  atomic.Bool  // A byte of an answer came.
	took   atomic.Int64 // Nanoseconds until a new connection stood; 0 unless one did.

	// at is the place that a Turn chose, nil where nothing chose among several.
	at    *place
	timer *time.Timer // Of at's patience.
}

// Run runs the handlers with r, whose context is that of the try, and returns what
// became of it for the attempt, whose context ctx is. bounded is for handlers that may
// go on after the end of their context.
func (t *Try) Run(ctx context.Context, h Handler, r *http.Request, bounded bool, explain func(error) Failure) deliver.Answer {
	t.began = time.Now()
	var err error
	if bounded {
		t.left, err = RunBounded(r.Context(), h, t.rec, r)
	} else {
		err = runHandler(h, t.rec, r)
	}
	if t.left {
		// The handlers keep the recorder, but for its status.
		if status := int(t.rec.final.Load()); status != 0 {
			return deliver.Answer{Reach: deliver.Answered, Status: status}
		}
		return deliver.Answer{Reach: deliver.Broken, Err: err}
	}
	t.failed = explain(err)
	t.stopTimers()
	return t.judge(ctx)
}

// End ends the context of the try.
func (t *Try) End() { t.cancel(nil) }

// trace watches the connection: errors look alike before and after the request was
// sent, on new connections and on kept ones.
func (t *Try) trace() *httptrace.ClientTrace {
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
func (t *Try) arm(patience time.Duration) {
	t.timer = time.AfterFunc(patience, func() {
		if t.stage.CompareAndSwap(connecting, givenUp) {
			t.cancel(errPatience)
		}
	})
}

func (t *Try) stopTimers() {
	if t.timer != nil {
		t.timer.Stop()
	}
	if l := t.rec.linger; l != nil {
		l.Stop()
	}
}

// stood reports whether a connection to the app is known to have stood, its TLS handshake
// done, in time to be used.
func (t *Try) stood() bool { return t.stage.Load() == connected || t.sent.Load() }

// kept reports whether the request never left: its connection did not come to stand.
func (t *Try) kept() bool { return t.asked.Load() && !t.stood() }

// slow reports whether the connection was given up before anything was sent.
func (t *Try) slow() bool { return t.stage.Load() == givenUp && !t.sent.Load() }

// died reports whether a kept connection ended under the request without a byte of an
// answer: the app has closed it, most likely before it saw the request.
func (t *Try) died(ctx context.Context, a deliver.Answer) bool {
	return a.Status == 0 && a.Reach == deliver.Broken && ctx.Err() == nil &&
		t.reused.Load() && !t.spoke.Load() &&
		t.failed.Handler && t.failed.Status == http.StatusBadGateway // Not a timeout.
}

// Tour is what the tries of one attempt have found. Its user is the attempt, and
// within a run its handlers. The zero Tour is that of an attempt that begins.
type Tour struct {
	repeats int // How often a kept connection that died was followed.
	// places are those that the last choice was among.
	places []*place
	// gone are places that cannot be reached, with the error.
	gone []loss
	// waited are places that ran out of patience in this round.
	waited []*place
	round  int // How often all that are left have run out of patience.
}

type loss struct {
	at  *place
	err error
}

// Begin begins a try, which keeps limit bytes of the answer. Its request has the
// context that is returned. End must be called.
func (t *Tour) Begin(ctx context.Context, limit int) (*Try, context.Context) {
	y := &Try{tour: t, rec: NewRecorder(limit)}
	run, cancel := context.WithCancelCause(context.WithValue(ctx, tryKey{}, y))
	y.cancel = cancel
	y.rec.enough = func() { cancel(errEnough) }
	return y, httptrace.WithClientTrace(run, y.trace())
}

// Next notes a try with that answer. again reports whether another try is to be made,
// and fresh whether that one needs a new connection.
func (t *Tour) Next(ctx context.Context, y *Try, a deliver.Answer) (again, fresh bool) {
	switch {
	case y.left:
		return false, false
	case y.died(ctx, a) && t.repeats < maxRepeats:
		t.repeats++
		return true, true
	}
	return t.goesOn(ctx, y, a), false
}

// goesOn notes what a try has found, and reports whether another address is to be
// tried.
func (t *Tour) goesOn(ctx context.Context, by *Try, a deliver.Answer) bool {
	p := by.at
	if p == nil || a.Reach == deliver.Aborted {
		return false
	}
	switch {
	case a.Reach == deliver.Answered:
		p.well(time.Duration(by.took.Load()))
		return false
	case a.Reach != deliver.Unreached || by.stood():
		p.broke(by) // Something was sent: no other address gets it now.
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

// lost reports whether p cannot be reached.
func (t *Tour) lost(p *place) bool {
	for _, l := range t.gone {
		if l.at == p {
			return true
		}
	}
	return false
}

// Sum returns the answer of an attempt whose last one is a: where no address was
// reached, it names all of them.
func (t *Tour) Sum(a deliver.Answer) deliver.Answer {
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
