package control_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// patience bounds how long a test waits for what must come.
const patience = 20 * time.Second

// streamed reads a stream in the background. Its call ends with the test.
type streamed struct {
	*testing.T
	got  chan control.Streamed
	err  chan error
	stop context.CancelFunc
}

func (r *rig) stream(c *control.Client, f control.Filter, after int64) *streamed {
	r.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	s := &streamed{T: r.T, got: make(chan control.Streamed, 5000), err: make(chan error, 1), stop: cancel}
	go func() {
		s.err <- c.Stream(ctx, f, after, func(one control.Streamed) error {
			s.got <- one
			return nil
		})
	}()
	r.Cleanup(cancel)
	return s
}

// next returns what comes next, as kind and id.
func (s *streamed) next() (control.Streamed, string) {
	s.Helper()
	select {
	case one := <-s.got:
		return one, one.Kind + " " + one.Event.ID
	case err := <-s.err:
		s.Fatalf("the stream ended: %v", err)
	case <-time.After(patience):
		s.Fatal("nothing came")
	}
	return control.Streamed{}, ""
}

func (s *streamed) want(all ...string) {
	s.Helper()
	for _, want := range all {
		if _, got := s.next(); got != want {
			s.Fatalf("%q came, want %q", got, want)
		}
	}
}

// New events come in their order, without bodies and with numbers masked; ended deliveries
// follow; what a reader has missed comes when it returns.
func TestStream(t *testing.T) {
	t.Parallel()
	var ended spool.Watchers[int64]
	for name, watched := range map[string]bool{"endings are reported": true, "endings are looked for": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *control.Options) {
				if watched {
					o.Ended = ended.Add
				}
			})
			first := r.accept(1, "message.read", "app", spool.Dead)
			for _, c := range []*control.Client{control.Over(r.api), r.client()} {
				s := r.stream(c, control.Filter{}, 0)
				one, got := s.next()
				if got != "event evt_1" || one.Event.Body != nil || one.Event.Text != "" || one.Event.Header != nil || one.Event.MessageID != "msg_1" {
					t.Fatalf("%q came: %+v", got, one.Event)
				}
				if text := fmt.Sprint(one.Event); strings.Contains(text, phone) {
					t.Errorf("a phone number is in %s", text)
				}
				s.stop()
			}
			s := r.stream(r.client(), control.Filter{}, first)
			started := r.running(2)
			s.want("event evt_2")
			r.accept(3, "message.failed", "crm", spool.Delivered)
			s.want("event evt_3")
			r.ok(r.store.Settle(t.Context(), spool.Settlement{Lease: started.Lease, State: spool.Delivered, Attempt: spool.Attempt{N: 1, Start: time.Now(), Status: 200}}))
			if watched {
				ended.Notify(started.Event.Seq)
			}
			one, got := s.next()
			if got != "ended evt_2" || one.Event.Deliveries[0].State != "delivered" {
				t.Fatalf("%q came: %+v", got, one.Event)
			}
			s.stop()
			back := r.stream(r.client(), control.Filter{Type: "message.failed"}, first)
			back.want("event evt_3")
		})
	}
}

// running stores event n for app, and returns its delivery, which runs.
func (r *rig) running(n int) spool.Delivery {
	r.Helper()
	got, err := r.store.Accept(r.Context(), spool.Intake{
		Event: &spool.Event{Source: "inbox", ID: fmt.Sprint("evt_", n), Type: "message.read", CreatedAt: time.Now(), Request: spool.Request{Body: []byte(`{}`)}},
		Owner: "test", LeaseFor: time.Minute, Routes: []spool.RouteWish{{Route: "app", Start: true}},
	})
	r.ok(err)
	return got.Running[0]
}

// A reader that was away for too long learns what it has missed, and goes on.
func TestStreamSkipsWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for n := range 1100 {
		_, err := r.store.Accept(t.Context(), spool.Intake{Event: &spool.Event{Source: "inbox", ID: fmt.Sprint("evt_", n), Type: "message.read", CreatedAt: time.Now(), Request: spool.Request{Body: []byte(`{}`)}}})
		r.ok(err)
	}
	s := r.stream(control.Over(r.api), control.Filter{}, 0)
	one, _ := s.next()
	if one.Kind != control.StreamGap || one.Gap.After != 0 || one.Gap.Before <= 1 {
		t.Fatalf("%+v came, want a gap", one)
	}
	before := one.Gap.Before
	for range 1000 {
		one, got := s.next()
		if one.Kind != control.StreamEvent || one.Event.Number < before {
			t.Fatalf("%q came after %d", got, before)
		}
		before = one.Event.Number + 1
	}
	r.accept(5000, "message.read", "app", spool.Dead)
	s.want("event evt_5000")
}

// There are only so many streams, and a place is free again when one ends.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	places := make(chan struct{}, 2)
	r := newRig(t, func(o *control.Options) { o.Streams = places })
	a, b := r.stream(r.client(), control.Filter{}, 0), r.stream(control.Over(r.api), control.Filter{}, 0)
	r.accept(1, "message.read", "app", spool.Dead)
	a.want("event evt_1")
	b.want("event evt_1")
	err := r.client().Stream(t.Context(), control.Filter{}, -1, nil)
	var no *control.Error
	if !errors.As(err, &no) || no.Status != http.StatusServiceUnavailable || !strings.Contains(no.Message, "2 streams") {
		t.Errorf("a third stream: %v", err)
	}
	a.stop()
	b.stop()
	for range cap(places) {
		select {
		case places <- struct{}{}:
		case <-time.After(patience):
			t.Fatal("a stream has ended and keeps its place")
		}
	}
}

// A stream ends when the process stops, and when its store does not answer.
func TestStreamsEndWithTheProcess(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	r := newRig(t, func(o *control.Options) { o.Done = done })
	for _, end := range []func(){func() { close(done) }, func() { r.ok(r.store.Close()) }} {
		s := r.stream(r.client(), control.Filter{}, -1)
		end()
		select {
		case err := <-s.err:
			var no *control.Error
			if !errors.Is(err, io.EOF) && !errors.As(err, &no) {
				t.Errorf("the stream ended with %v", err)
			}
		case <-time.After(patience):
			t.Fatal("the stream goes on")
		}
	}
}

// What cannot be asked for is refused before a place is taken.
func TestStreamRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for query, want := range map[string]string{
		"?after=x": "number of an event", "?state=up": "unknown state", "?route=nowhere": "no route", "?nonsense=1": "unknown parameter",
	} {
		if status, text := r.call("GET", "/inbox/events/stream"+query, "", "", ""); status != http.StatusBadRequest || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s, want %q", query, status, text, want)
		}
	}
}
