package faults

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// cut begins an answer of 100 bytes and ends the connection after one.
func cut(status int) rig.Behaviour {
	return func(w http.ResponseWriter, _ *http.Request, _ *history.Attempt) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// brokenAnswers are those that are no whole answer. reverse_proxy tells of a cut
// body by a panic with ErrAbortHandler in our goroutine.
func brokenAnswers() map[string]rig.Behaviour {
	return map[string]rig.Behaviour{
		"cut in the body of a 500":     cut(http.StatusInternalServerError),
		"closed without an answer":     func(http.ResponseWriter, *http.Request, *history.Attempt) { panic(http.ErrAbortHandler) },
		"reset without an answer":      reset(""),
		"reset in the status line":     reset("HTTP/1.1 20"),
		"reset in the headers":         reset("HTTP/1.1 200 OK\r\nContent-Le"),
		"no HTTP":                      reset("220 mail.example.com ESMTP\r\n"),
		"two lengths that contradict":  reset("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nO"),
		"a status that is no number":   reset("HTTP/1.1 OK 200\r\n\r\n"),
		"an endless line of a header":  reset("HTTP/1.1 200 OK\r\nX: " + string(make([]byte, 64<<10))),
		"only an interim answer":       reset("HTTP/1.1 103 Early Hints\r\n\r\n"),
		"a switch that nobody ordered": reset("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
	}
}

// cutBodies are answers whose head says 2xx and whose body is cut: a final status
// decides.
func cutBodies() map[string]rig.Behaviour {
	return map[string]rig.Behaviour{
		"a body that is cut":        closed("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"),
		"no body where one is due":  closed("HTTP/1.1 202 Accepted\r\nContent-Length: 10\r\n\r\n"),
		"a chunk that is cut":       closed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nOK"),
		"a chunk that is no number": closed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
	}
}

// Whatever an app does to its answer before the head is whole, the attempt has failed
// and is made again with the same id, and the process lives. One event after the other, because
// five failures in a row would hold the route.
func TestFaultUpstreamCuts(t *testing.T) {
	t.Parallel()
	const delay = 100 * time.Millisecond
	r := rig.New(t, rig.Options{
		Routes: []rig.Route{
			{Name: "app", Types: "message.*", Retry: "100ms 100ms 100ms"},
			{Name: "oncall", Types: event.TypeMessageFailed},
		},
		Rules: history.Rules{Schedule: map[string][]time.Duration{"app": {delay, delay, delay}}},
	})
	r.Start()
	rounds := rig.Rounds(1, 20)
	for range rounds {
		for name, broken := range brokenAnswers() {
			seen := newVisits()
			r.App("app").Behave(firstly(seen, 2, broken))
			e := r.Event(event.TypeMessageFailed)
			wantOK(t, r, e)
			await(t, r, "the third attempt, after "+name, func() bool { return r.Log.Waiting() == 0 })
			if n := len(seen.of(e.ID)); n != 3 {
				t.Errorf("%s: %d attempts, want 3", name, n)
			}
		}
	}
	for name, body := range cutBodies() {
		seen := newVisits()
		r.App("app").Behave(firstly(seen, 2, body))
		e := r.Event(event.TypeMessageFailed)
		wantOK(t, r, e)
		await(t, r, "the answer with "+name, func() bool { return r.Log.Waiting() == 0 })
		r.App("app").Behave(nil)
		r.Settle()
		if n := len(seen.of(e.ID)); n != 1 {
			t.Errorf("%s: %d attempts, want 1", name, n)
		}
	}
	r.App("app").Behave(nil)
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Books()
	r.Report([]int{20, 32}, "an app cuts, resets or garbles its answer", rounds*len(brokenAnswers()))
}
