package testapp

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

// App takes events, records them, and answers 200.
type App struct {
	Server
	Ledger
	// Answer, if set, answers a request that was recorded, instead of a 200.
	Answer func(w http.ResponseWriter, r *http.Request, a Arrival)
}

// T is what an App needs of a test.
type T interface {
	Helper()
	Cleanup(f func())
	Fatalf(format string, args ...any)
}

// New returns an App that runs until the test ends. What answer gives, if it is not
// nil, becomes its Answer.
func New(t T, answer func(w http.ResponseWriter, r *http.Request, a Arrival)) *App {
	t.Helper()
	a := At(t, "")
	a.Answer = answer
	if err := a.Start(); err != nil {
		t.Fatalf("%v", err)
	}
	return a
}

// At returns an App that is not yet started, for an address. It is cut when the test
// ends.
func At(t T, addr string) *App {
	a := new(App)
	a.Addr, a.Handler = addr, a
	t.Cleanup(func() {
		a.Cut()
		a.Wait()
	})
	return a
}

// ServeHTTP records a request and answers it. A request whose body does not come
// whole is not recorded.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // The gate went away while it sent.
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	came := a.note(Arrival{
		ID: r.Header.Get("X-Inbox-Event-Id"), At: time.Now(),
		Method: r.Method, URI: r.RequestURI, Host: r.Host, Header: r.Header.Clone(), Body: body,
	})
	if a.Answer != nil {
		a.Answer(w, r, came)
		return
	}
	_, _ = io.WriteString(w, "OK")
}
