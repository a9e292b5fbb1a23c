package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// A client of the process itself sees what one over HTTP sees, and is trusted.
func TestOverAnswersAsHTTPDoes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, "message.read", "app", spool.Dead)
	// The server may still be at the end of a copy that was read: it comes last.
	for i, c := range []*control.Client{control.Over(r.api), r.client()} {
		name := []string{"in the process", "over HTTP"}[i]
		e, err := c.Event(t.Context(), control.Ref{Ref: "evt_1"}, true)
		if err != nil || e.ID != "evt_1" || !strings.Contains(string(e.Body), phone) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		_, err = c.Event(t.Context(), control.Ref{Ref: "none"}, false)
		var no *control.Error
		if !errors.As(err, &no) || no.Status != http.StatusNotFound || !strings.Contains(no.Message, "no event none") {
			t.Errorf("%s: %v", name, err)
		}
		raw, err := c.Raw(t.Context(), control.Ref{Ref: "evt_1"})
		if err != nil || !bytes.Contains(raw, []byte(phone)) {
			t.Errorf("%s: %s, %v", name, raw, err)
		}
		var copied bytes.Buffer
		whole := int64(0)
		if err := c.Backup(t.Context(), &copied, func(_, n int64) { whole = n }); err != nil || int64(copied.Len()) != whole || whole == 0 {
			t.Errorf("%s: a copy of %d bytes, of %d: %v", name, copied.Len(), whole, err)
		}
	}
}

// Steps come while the call runs, and one who leaves ends it.
func TestOverStreams(t *testing.T) {
	t.Parallel()
	got, next, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	c := control.Over(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		for n := 0; r.Context().Err() == nil; n++ {
			if _, err := fmt.Fprintf(w, `{"matched":%d}`+"\n", n); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next: // Only when the reader has the step before.
			case <-r.Context().Done():
			}
		}
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range 3 {
			<-got
			next <- struct{}{}
		}
		<-got
		cancel()
	}()
	n := int64(0)
	_, err := c.Replay(ctx, control.Bulk{}, func(s control.Step) {
		if s.Matched != n {
			t.Errorf("step %d is %d", n, s.Matched)
		}
		n++
		got <- struct{}{}
	})
	<-ended
	if err == nil || n != 4 {
		t.Errorf("%d steps, %v", n, err)
	}
}

// A handler that panics fails its call alone: with a status where none was sent, else
// with an answer that breaks off.
func TestOverSurvivesPanics(t *testing.T) {
	t.Parallel()
	early := control.Over(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("early") }))
	_, err := early.Status(t.Context())
	var no *control.Error
	if !errors.As(err, &no) || no.Status != http.StatusInternalServerError {
		t.Errorf("%v", err)
	}
	late := control.Over(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `body`)
		panic("late")
	}))
	if _, err := late.Raw(t.Context(), control.Ref{Ref: "x"}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v, want an answer that breaks off", err)
	}
}

// A context that has ended ends the call, also one that has not answered.
func TestOverEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := control.Over(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	c = control.Over(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"version":`)
		cancel()
		<-r.Context().Done()
	}))
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("in the middle of an answer: %v", err)
	}
}

// Trust is a matter of the process: no header gives it.
func TestNoHeaderGivesTrust(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"X-Inbox-Operator", "X-Trusted", "X-Inbox-Trusted"} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", r.server.URL+"/inbox/routes/inbox/app/resume", nil)
		r.ok(err)
		req.Header.Set(name, "true")
		req.Header.Set("Origin", "http://localhost") // So it is not near.
		res, err := http.DefaultClient.Do(req)
		r.ok(err)
		r.ok(res.Body.Close())
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: answered %d", name, res.StatusCode)
		}
	}
}
