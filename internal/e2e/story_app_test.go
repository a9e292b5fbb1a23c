package e2e

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
)

// poisonMessage is what the app cannot take until it is mended.
const poisonMessage = "msg_poison"

// storyApp fails, recovers, and cannot take one event until it is mended.
type storyApp struct {
	*testapp.App
	poison testapp.App // Records how that event came when it was taken.
	mended atomic.Bool
}

func newStoryApp(t testing.TB) *storyApp {
	a := &storyApp{App: testapp.At(t, proctest.FreeAddress(t))}
	a.Handler = http.HandlerFunc(a.take)
	return a
}

func (a *storyApp) start(t testing.TB) {
	t.Helper()
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
}

func (a *storyApp) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch poison := bytes.Contains(body, []byte(poisonMessage)); {
	case !poison:
		a.ServeHTTP(w, r)
	case a.mended.Load():
		a.poison.ServeHTTP(w, r)
	default:
		http.Error(w, "no such button", http.StatusInternalServerError)
	}
}

func (a *storyApp) awaitIDs(t testing.TB, n int) {
	t.Helper()
	a.Await(t, strconv.Itoa(n)+" events", func() bool { return a.Events() == n })
}

func (a *storyApp) awaitPoison(t testing.TB) http.Header {
	t.Helper()
	return a.poison.Next(t).Header
}
