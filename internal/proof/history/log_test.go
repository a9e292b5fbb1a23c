package history

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/verify"
)

// attempt is a request as an app gets it.
func attempt(e Event, route string, life, n int) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/inbox", nil)
	for name, value := range map[string]string{
		"X-Inbox-Event-Id": e.ID, "X-Inbox-Event-Type": e.Type, "X-Inbox-Source": "inbox", "X-Inbox-Route": route,
		"X-Inbox-Attempt": strconv.Itoa(n), Life: strconv.Itoa(life), verify.Header: e.Signature,
		"Content-Type": "application/json", "Idempotency-Key": e.ID,
	} {
		r.Header.Set(name, value)
	}
	return r
}

var sample = Event{ID: "a", Type: "message.read", Signature: "sha256=1", Body: []byte("{}"), Routes: []string{"all"}}

func TestLogSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	forged, odd, other := sample, sample, sample
	forged.ID, forged.Forged = "f", true
	odd.ID, odd.Odd = "o", true
	other.ID, other.Source = "s", "other"
	for name, c := range map[string]struct {
		event  Event
		route  string
		body   string
		change func(http.Header)
		say    string
		wrong  int
	}{
		"nothing":           {event: sample, route: "all"},
		"never sent":        {event: Event{ID: "x"}, route: "all", say: "was never sent", wrong: 1},
		"forged":            {event: forged, route: "all", say: "never validly signed", wrong: 1},
		"odd":               {event: odd, route: "all", say: "belongs into quarantine", wrong: 1},
		"another source":    {event: other, route: "all", say: "of another source", wrong: 1},
		"another route":     {event: sample, route: "two", say: "not for this route", wrong: 1},
		"other bytes":       {event: sample, route: "all", body: "{ }", say: "other bytes", wrong: 1},
		"another signature": {event: sample, route: "all", change: func(h http.Header) { h.Add(verify.Header, "x") }, say: "another signature"},
		"another key":       {event: sample, route: "all", change: func(h http.Header) { h.Set("Idempotency-Key", "b") }, say: "idempotency key"},
		"another type":      {event: sample, route: "all", change: func(h http.Header) { h.Set("X-Inbox-Event-Type", "b") }, say: `type "b"`},
		"no content type":   {event: sample, route: "all", change: func(h http.Header) { h.Del("Content-Type") }, say: "another request"},
		"no life":           {event: sample, route: "all", change: func(h http.Header) { h.Del(Life) }, say: "is no number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := New(1)
			for _, e := range []Event{sample, forged, odd, other} {
				l.Sending(e, 1)
			}
			r := attempt(c.event, c.route, 1, 1)
			if c.change != nil {
				c.change(r.Header)
			}
			body := "{}"
			if c.body != "" {
				body = c.body
			}
			l.Arrived(c.route, r, []byte(body)).Ended(http.StatusOK, nil)
			report := l.Check(Rules{})
			all := strings.Join(report.Violations, "\n")
			if (all == "") != (c.say == "") || !strings.Contains(all, c.say) || report.WronglyAccepted != c.wrong {
				t.Errorf("violations %q, wrongly accepted %d; want %q, %d", all, report.WronglyAccepted, c.say, c.wrong)
			}
		})
	}
}

// A record that was written and read back is judged the same.
func TestLogWriteRead(t *testing.T) {
	t.Parallel()
	l := New(7)
	l.Sending(sample, 1)
	l.Answered("a", Answer{Life: 1, Status: http.StatusOK, Result: "accepted"})
	l.Answered("a", Answer{Life: 1, Err: errors.New("reset")})
	a := l.Arrived("all", attempt(sample, "all", 1, 1), sample.Body)
	a.Ended(http.StatusOK, nil)
	l.Crash(1, Killed)
	l.Arrived("all", attempt(sample, "all", 2, 2), sample.Body).Ended(http.StatusOK, errors.New("gone"))
	l.Refusing(time.Now(), time.Now())
	l.Stored("a", "all", DeadLetter)
	l.Fault("something")
	var file bytes.Buffer
	if err := l.Write(&file); err != nil {
		t.Fatal(err)
	}
	entries, err := Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	got, want := Check(entries, Rules{}), l.Check(Rules{})
	if len(entries) != len(l.Entries()) || entries[0].Seed != 7 || got.Repeated != 1 || len(got.Violations) != 1 || got.Violations[0] != want.Violations[0] || got.Acked != 1 || got.Unanswered != 1 {
		t.Errorf("%d entries: %+v, want %+v", len(entries), got, want)
	}
	if _, err := Read(strings.NewReader("{\n")); err == nil {
		t.Error("half a line was read")
	}
}

func TestLogAwait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(1)
		l.Sending(sample, 1)
		l.Answered("a", Answer{Life: 1, Status: http.StatusOK, Result: "accepted"})
		if l.AwaitAll(time.Second) || l.Waiting() != 1 || l.Acked() != 1 || !strings.Contains(l.Missing(), "never came to all") {
			t.Errorf("%d waiting: %s", l.Waiting(), l.Missing())
		}
		go func() {
			l.Arrived("all", attempt(sample, "all", 1, 1), sample.Body).Ended(http.StatusInternalServerError, nil)
			l.Arrived("all", attempt(sample, "all", 1, 2), sample.Body).Ended(http.StatusOK, nil)
		}()
		if !l.AwaitAll(time.Second) || l.Arrivals(1) != 2 || l.Arrivals(0) != 2 || l.Arrivals(2) != 0 {
			t.Errorf("%d waiting, %d arrivals", l.Waiting(), l.Arrivals(1))
		}
	})
	known := New(1)
	known.Sending(sample, 1)
	if all := known.Choose(func(e Sent) bool { return e.Life == 1 && e.AckedIn == 0 }); len(all) != 1 {
		t.Errorf("chose %v", all)
	}
}

// An event that is stored as a dead letter or in quarantine is waited for no
// longer.
func TestLogStored(t *testing.T) {
	t.Parallel()
	l := New(1)
	l.Sending(sample, 1)
	l.Answered("a", Answer{Life: 1, Status: http.StatusOK, Result: "accepted"})
	l.StoredID("a", "all", DeadLetter)
	if r := l.Check(Rules{}); l.Waiting() != 0 || r.Lost != 0 || len(r.Violations) > 0 {
		t.Errorf("%d waiting: %+v", l.Waiting(), r)
	}
	l.StoredID("x", "all", DeadLetter)
	if r := l.Check(Rules{}); len(r.Violations) != 1 || !strings.Contains(r.Violations[0], "never sent") {
		t.Errorf("%+v", r)
	}
}
