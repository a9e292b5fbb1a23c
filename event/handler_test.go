package event_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

const secret = "a secret of these tests"

var errWork = errors.New("the database is down")

// app is a Handler under test, and what it was asked to do.
type app struct {
	http.Handler
	log   *bytes.Buffer
	calls atomic.Int32
	do    func(context.Context, event.Event) error // nil: nothing, which succeeds
}

func newApp(t testing.TB, ids event.Deduper, opts ...event.Option) *app {
	t.Helper()
	v, err := verify.New(verify.Key(secret))
	if err != nil {
		t.Fatal(err)
	}
	a := &app{log: new(bytes.Buffer)}
	opts = append([]event.Option{event.Logger(slog.New(slog.NewTextHandler(a.log, nil)))}, opts...)
	a.Handler = event.Handler(v, ids, func(ctx context.Context, e event.Event) error {
		a.calls.Add(1)
		if a.do == nil {
			return nil
		}
		return a.do(ctx, e)
	}, opts...)
	return a
}

func request(body string, change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/inbox", strings.NewReader(body))
	r.Header.Set(verify.Header, verify.Sign([]byte(secret), []byte(body)))
	for _, c := range change {
		c(r)
	}
	return r
}

func (a *app) post(body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	a.ServeHTTP(w, request(body, change...))
	return w
}

// said is an answer in short: status, result and reason.
func said(w *httptest.ResponseRecorder) string {
	words := []string{fmt.Sprint(w.Code)}
	for _, name := range []string{"X-Inbox-Result", "X-Inbox-Reason"} {
		if v := w.Header().Get(name); v != "" {
			words = append(words, v)
		}
	}
	return strings.Join(words, " ")
}

func wantSaid(t *testing.T, what string, w *httptest.ResponseRecorder, want string) {
	t.Helper()
	if got := said(w); got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func (a *app) wantCalls(t *testing.T, want int32) {
	t.Helper()
	if got := a.calls.Load(); got != want {
		t.Errorf("handle was called %d times, want %d", got, want)
	}
}

const (
	knownSame  = "200 duplicate the id is known with the same body"
	knownOther = "the id is known with another body"
)

func TestHandlerHandlesOnce(t *testing.T) {
	t.Parallel()
	a := newApp(t, dedupe.New())
	wantSaid(t, "new", a.post(`{"id":"evt_1","type":"message.read"}`), "200 accepted")
	wantSaid(t, "copy", a.post(`{"id":"evt_1","type":"message.read"}`), knownSame)
	wantSaid(t, "another body", a.post(`{"id":"evt_1","type":"message.failed"}`), "409 "+knownOther)
	wantSaid(t, "another id", a.post(`{"id":"evt_2","type":"message.read"}`), "200 accepted")
	a.wantCalls(t, 2)
}

func TestHandlerRefuses(t *testing.T) {
	t.Parallel()
	const body = `{"id":"evt_1","type":"message.read"}`
	header := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[verify.Header] = values }
	}
	unauthorized := map[string]bool{}
	for name, c := range map[string]struct {
		body   string
		change func(*http.Request)
		want   string
	}{
		"get":             {body, func(r *http.Request) { r.Method = http.MethodGet }, "405"},
		"too long":        {body + strings.Repeat(" ", 100), func(*http.Request) {}, "413"},
		"too long, mute":  {body + strings.Repeat(" ", 100), func(r *http.Request) { r.ContentLength = -1 }, "413"},
		"broken off":      {body, func(r *http.Request) { r.Body = http.NoBody; r.Body = failing{} }, "400"},
		"no signature":    {body, header(), "401"},
		"half of one":     {body, header("sha256=00"), "401"},
		"of another":      {body, header(verify.Sign([]byte("another secret, long enough"), []byte(body))), "401"},
		"unsigned, empty": {"", header(), "401"},
		"unsigned, odd":   {"no", header("x"), "401"},
	} {
		a := newApp(t, dedupe.New(), event.MaxBody(100), event.OnOdd(func(context.Context, event.Odd) error {
			t.Errorf("%s: kept", name)
			return nil
		}))
		w := a.post(c.body, c.change)
		wantSaid(t, name, w, c.want)
		a.wantCalls(t, 0)
		switch w.Code {
		case http.StatusMethodNotAllowed:
			if w.Header().Get("Allow") != http.MethodPost {
				t.Errorf("%s: no Allow", name)
			}
		case http.StatusUnauthorized:
			unauthorized[fmt.Sprint(w.Header(), w.Body)] = true
		}
	}
	if len(unauthorized) != 1 {
		t.Errorf("the answers 401 differ: %v", unauthorized)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }
func (failing) Close() error             { return nil }

// What failed comes again, so its id must not be remembered, however it failed.
func TestHandlerFailureIsTriedAgain(t *testing.T) {
	t.Parallel()
	a := newApp(t, dedupe.New())
	const body = `{"id":"evt_1","type":"message.read","data":{"to":"+15551234567"}}`
	for name, do := range map[string]func(context.Context, event.Event) error{
		"error":       func(context.Context, event.Event) error { return errWork },
		"panic":       func(_ context.Context, e event.Event) error { panic(string(e.Data)) },
		"nil pointer": func(context.Context, event.Event) error { var e *event.Event; return errors.New(e.ID) },
	} {
		a.do = do
		wantSaid(t, name, a.post(body), "500")
	}
	a.do = nil
	wantSaid(t, "after it", a.post(body), "200 accepted")
	a.wantCalls(t, 4)
	log := a.log.String()
	for _, want := range []string{errWork.Error(), "handling an event panicked", "handler_test.go", "event.id=evt_1"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log:\n%s", want, log)
		}
	}
	if strings.Contains(log, "+1555") {
		t.Errorf("a phone number is in the log:\n%s", log)
	}
}

// Nothing that nobody keeps gets a 200; what is kept is kept once.
func TestHandlerOddBodies(t *testing.T) {
	t.Parallel()
	old := time.Now().Add(-22 * time.Hour).UTC().Format(time.RFC3339)
	ahead := time.Now().Add(4 * time.Hour).UTC().Format(time.RFC3339)
	for name, c := range map[string]struct{ body, status, reason, id string }{
		"not JSON":     {"no +15551234567", "400", "body is not JSON", ""},
		"empty":        {"", "400", "body is empty", ""},
		"no id":        {`{"type":"message.read"}`, "400", "id is missing", ""},
		"old":          {`{"id":"evt_1","type":"message.read","created_at":"` + old + `"}`, "400", "created before the window", "evt_1"},
		"ahead":        {`{"id":"evt_1","type":"message.read","created_at":"` + ahead + `"}`, "400", "created too far in the future", "evt_1"},
		"another body": {`{"id":"known","type":"message.read","more":1}`, "409", knownOther, "known"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const known = `{"id":"known","type":"message.read"}`
			plain := newApp(t, dedupe.New())
			wantSaid(t, "known", plain.post(known), "200 accepted")
			for range 2 {
				wantSaid(t, "nobody keeps it", plain.post(c.body), c.status+" "+c.reason)
			}
			plain.wantCalls(t, 1)

			var kept []event.Odd
			fails := true
			a := newApp(t, dedupe.New(), event.OnOdd(func(ctx context.Context, o event.Odd) error {
				if _, bounded := ctx.Deadline(); !bounded {
					t.Error("no deadline")
				}
				if fails {
					return errWork
				}
				kept = append(kept, o)
				return nil
			}))
			wantSaid(t, "known", a.post(known), "200 accepted")
			wantSaid(t, "cannot be kept", a.post(c.body), "500")
			fails = false
			for range 2 {
				wantSaid(t, "kept", a.post(c.body), "200 quarantined "+c.reason)
			}
			a.wantCalls(t, 1)
			if len(kept) != 1 || string(kept[0].Body) != c.body || kept[0].Reason != c.reason || kept[0].Event.ID != c.id {
				t.Errorf("kept %+v", kept)
			}
			if log := plain.log.String() + a.log.String() + fmt.Sprint(kept[0].LogValue()); strings.Contains(log, "+1555") {
				t.Errorf("a body is in the log:\n%s", log)
			}
		})
	}
}

func TestHandlerWithoutArguments(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("it is a handler")
		}
	}()
	event.Handler(nil, dedupe.New(), func(context.Context, event.Event) error { return nil })
}

// handle's context ends when Timeout says, from the start of the request; a value that
// is not positive means the default.
func TestHandlerTimeout(t *testing.T) {
	t.Parallel()
	for given, want := range map[time.Duration]time.Duration{2 * time.Hour: 2 * time.Hour, 0: event.DefaultTimeout, -time.Second: event.DefaultTimeout} {
		a := newApp(t, dedupe.New(), event.Timeout(given))
		began := time.Now()
		a.do = func(ctx context.Context, _ event.Event) error {
			ends, ok := ctx.Deadline()
			if left := ends.Sub(began); !ok || left < want || left > want+time.Minute {
				t.Errorf("Timeout(%v): the context ends after %v, want %v", given, left, want)
			}
			return nil
		}
		if w := a.post(`{"id":"evt_timeout","type":"message.read","created_at":"` + time.Now().UTC().Format(time.RFC3339) + `","data":{"message_id":"msg_1"}}`); w.Code != http.StatusOK || a.calls.Load() != 1 {
			t.Errorf("Timeout(%v): %s, %d calls", given, said(w), a.calls.Load())
		}
	}
}
