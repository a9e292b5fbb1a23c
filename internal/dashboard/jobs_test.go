package dashboard_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/dashboard"
)

// steps is an API whose bulk changes take until they are told to go on.
type steps struct {
	http.Handler
	begun chan struct{} // one element a call that has sent its first step
	goOn  chan struct{} // closed to end all calls
}

func (s *steps) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != control.Prefix+"replay" {
		s.Handler.ServeHTTP(w, r)
		return
	}
	_, _ = fmt.Fprintln(w, `{"matched":3,"changed":3,"total":12,"rest":9}`)
	_ = http.NewResponseController(w).Flush()
	select {
	case s.begun <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	select {
	case <-s.goOn:
		_, _ = fmt.Fprintln(w, `{"matched":12,"changed":12,"total":12,"done":true}`)
	case <-r.Context().Done():
	}
}

// slow returns a rig whose replays take until goOn is closed.
func slow(t *testing.T, o dashboard.Options) (*rig, *steps) {
	t.Helper()
	r := newRig(t, o)
	s := &steps{Handler: r.api, begun: make(chan struct{}), goOn: make(chan struct{})}
	o.Client = control.Over(s)
	r.pages = dashboard.New(o)
	t.Cleanup(r.pages.Close)
	return r, s
}

// start begins a replay and returns the address of its page once it runs.
func (s *steps) start(r *rig) string {
	r.Helper()
	where := r.send("/confirm", url.Values{"do": {"replay"}, "words": {"state=dead"}, "reason": {"x"}})
	<-s.begun
	return where
}

// A change that runs is shown with how far it is, reloads itself without the script, and
// ends when a person stops it. What it had done stays.
func TestStop(t *testing.T) {
	t.Parallel()
	r, s := slow(t, operator)
	where := s.start(r)
	var text string
	for end := time.Now().Add(20 * time.Second); !strings.Contains(text, "3 of 12 looked at"); text = r.page(where) {
		if time.Now().After(end) {
			t.Fatalf("no progress: %s", text)
		}
	}
	for _, want := range []string{`<noscript><meta http-equiv="refresh" content="2; url=?"></noscript>`, `data-every="1"`, `value="25"`, "Stop", "running"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if text := r.page("/decide"); !strings.Contains(text, where) {
		t.Error("the page of decisions does not lead to it")
	}
	r.send(where, nil)
	if text := r.wait(where); !strings.Contains(text, "stopped") || !strings.Contains(text, "3 sent again") || strings.Contains(text, `http-equiv="refresh"`) {
		t.Errorf("stopped: %s", text)
	}
}

// It goes on when the person who asked for it goes away.
func TestOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	r, s := slow(t, operator)
	where := s.start(r) // The request has been answered by now.
	close(s.goOn)
	if text := r.wait(where); !strings.Contains(text, "12 sent again") {
		t.Error(text)
	}
}

// Only a few run at the same time, and none after Close, which ends and waits for all.
func TestBoundedJobs(t *testing.T) {
	t.Parallel()
	r, s := slow(t, operator)
	var all []string
	for range 4 {
		all = append(all, s.start(r))
	}
	form := cloneForm(url.Values{"do": {"replay"}, "words": {"state=dead"}, "reason": {"x"}}, r.token("/"))
	if w := r.post("/confirm", form); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "4 bulk changes run already") {
		t.Errorf("a fifth: %d", w.Code)
	}
	r.send(all[0], nil)
	r.wait(all[0])
	if w := r.post("/confirm", form); w.Code == http.StatusSeeOther {
		<-s.begun
	} else {
		t.Errorf("the same form, when there is room again: %d %s", w.Code, w.Body)
	}
	r.pages.Close()
	for _, where := range all {
		if text := r.page(where); !strings.Contains(text, "stopped") {
			t.Errorf("after Close: %s", text)
		}
	}
	if w := r.post("/confirm", cloneForm(url.Values{"do": {"replay"}, "words": {"state=dead"}, "reason": {"x"}}, r.token("/"))); w.Code != http.StatusServiceUnavailable {
		t.Errorf("after Close: %d", w.Code)
	}
}

// A change that ended can be looked at for a quarter of an hour.
func TestEndedJobs(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now()
	later := func(d time.Duration) { mu.Lock(); now = now.Add(d); mu.Unlock() }
	o := operator
	o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	r, s := slow(t, o)
	where := s.start(r)
	close(s.goOn)
	r.wait(where)
	later(14 * time.Minute)
	if w := r.get(where); w.Code != http.StatusOK {
		t.Errorf("after 14 minutes: %d", w.Code)
	}
	later(2 * time.Minute)
	if w := r.get(where); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "the audit log has it") {
		t.Errorf("after 16 minutes: %d %s", w.Code, w.Body)
	}
}

// A change that the API refuses, or that breaks off, says so.
func TestFailedJob(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	broken := http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		if hr.Method == http.MethodPost {
			_, _ = fmt.Fprintln(w, `{"matched":2,"changed":2,"total":9}`)
			_, _ = fmt.Fprintln(w, `{"matched":2,"changed":2,"error":"the disk is <full>"}`)
			return
		}
		r.api.ServeHTTP(w, hr)
	})
	o := operator
	o.Client = control.Over(broken)
	r.pages = dashboard.New(o)
	t.Cleanup(r.pages.Close)
	text := r.wait(r.send("/confirm", url.Values{"do": {"replay"}, "words": {"state=dead"}, "reason": {"x"}}))
	if !strings.Contains(text, "failed") || !strings.Contains(text, "the disk is &lt;full&gt;") || !strings.Contains(text, "2 sent again") {
		t.Error(text)
	}
}
