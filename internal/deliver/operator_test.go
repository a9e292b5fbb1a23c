package deliver

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// witness is an Observer that remembers.
type witness struct {
	mu            sync.Mutex
	held, resumed int
	slower        int
	attempts      []spool.State
}

func (w *witness) Attempted(_ spool.RouteKey, _ spool.Delivery, _ spool.Attempt, s spool.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts = append(w.attempts, s)
}
func (w *witness) Held(spool.RouteKey, spool.Hold) { w.mu.Lock(); w.held++; w.mu.Unlock() }
func (w *witness) Resumed(spool.RouteKey)          { w.mu.Lock(); w.resumed++; w.mu.Unlock() }
func (w *witness) Slower(spool.RouteKey)           { w.mu.Lock(); w.slower++; w.mu.Unlock() }

func TestAnOperatorsHoldIsTheirs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, w := newRig(t, always(status(200))), &witness{}
		d := r.start(func(c *Config) { c.Observer = w })
		time.Sleep(5 * time.Second)
		must(t, r.store.Hold(t.Context(), "", app, spool.Hold{ByHand: true, Reason: "maintenance"}))
		time.Sleep(1100 * time.Millisecond)
		if d.Reserve(app) {
			t.Error("reserves on a route held by hand")
		}
		r.mustSend(d, 5)
		time.Sleep(time.Hour)
		if r.nTries() != 0 {
			t.Errorf("%d attempts on a route held by hand", r.nTries())
		}
		must(t, r.store.Resume(t.Context(), "", app))
		time.Sleep(1100 * time.Millisecond)
		r.end(d)
		r.wantDelivered(5)
		if w.held != 1 || w.resumed != 1 || len(w.attempts) != 5 {
			t.Errorf("observer saw %+v", w)
		}
	})
}

// A probe's result that arrives after an operator's hold must not replace it.
func TestAnOperatorsHoldOutlivesProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, always(refused), 3)
		time.Sleep(1500 * time.Millisecond) // probes come after 1 s and 3 s
		answers := make(chan Answer)
		r.setAnswer(func(context.Context, Attempt) Answer { return <-answers })
		time.Sleep(2 * time.Second) // the probe is under way
		must(t, r.store.Hold(t.Context(), "", app, spool.Hold{ByHand: true}))
		answers <- status(200)
		time.Sleep(time.Minute)
		if h := r.store.held(app); h == nil || !h.ByHand {
			t.Errorf("hold %+v, want the operator's", h)
		}
		r.end(d)
	})
}

// The line of a dead letter names the event, by which an operator looks it up.
func TestDeadLetterNamesItsEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, always(status(410)))
		var log bytes.Buffer
		d := r.start(func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		must(t, r.sendAs(d, &spool.Event{Source: "inbox", ID: "evt_dead", Received: time.Now()}, app))
		time.Sleep(time.Second)
		r.end(d)
		if line := log.String(); !strings.Contains(line, `msg="dead letter"`) || !strings.Contains(line, "event_id=evt_dead") {
			t.Errorf("the log is %s", line)
		}
	})
}
