package emulator

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "key_for_tests"

// wire is a transport without a network, fit for a synctest bubble.
type wire func(*http.Request) (int, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	status, err := w(r)
	if r.Body != nil {
		_ = r.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(nil)), Request: r}, nil
}

func open(t *testing.T, o Options) *Emulator {
	t.Helper()
	if o.Key == "" {
		o.Key = testKey
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	e.Start()
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func hook(t *testing.T, e *Emulator, url string) platform.Webhook {
	t.Helper()
	w, err := e.Create(platform.Registration{URL: url, Events: event.Types()})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// wait waits until all was sent. Its time is for a test that hangs: a busy machine with
// the race detector needs more than half a minute for ten thousand events.
func wait(t *testing.T, e *Emulator) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := e.Wait(ctx); err != nil {
		t.Fatalf("waiting: %v; %+v", err, e.Counts())
	}
}

func send(t *testing.T, e *Emulator, s SendRequest) Job {
	t.Helper()
	j, err := e.Send(s)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// sink is a receiver over real HTTP that notes whole requests.
type sink struct {
	*httptest.Server
	mu       sync.Mutex
	verifier *verify.Verifier
	got      []got
	broken   int // requests whose body broke off
	answer   func(n int) int
}

type got struct {
	id     string
	body   []byte
	signed error
	header http.Header
	at     time.Time // when all of the body was there
}

func newSink(t *testing.T, answer func(n int) int) *sink {
	t.Helper()
	s := &sink{answer: answer}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *sink) know(t *testing.T, w platform.Webhook) {
	t.Helper()
	v, err := verify.New(verify.Key(w.Secret))
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verifier = v
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.broken++
		return
	}
	g := got{body: body, header: r.Header, at: time.Now()}
	_, g.signed = s.verifier.Verify(body, r.Header.Values(verify.Header)...)
	if ev, err := event.Parse(body); err == nil {
		g.id = ev.ID
	}
	s.got = append(s.got, g)
	status := http.StatusOK
	if g.signed != nil {
		status = http.StatusUnauthorized
	} else if s.answer != nil {
		status = s.answer(len(s.got))
	}
	w.Header().Set("X-Inbox-Result", "accepted")
	w.WriteHeader(status)
}

func (s *sink) all() []got {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]got(nil), s.got...)
}
