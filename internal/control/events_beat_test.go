package control

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// silent is a log to which nothing comes.
type silent struct{ spool.Log }

func (silent) Records(context.Context, spool.Query) (spool.Page, error) { return spool.Page{}, nil }

// A stream without events shows that it lives, so that neither end takes the other for
// gone, and a proxy does not either.
func TestStreamBeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &api{Options: Options{Store: logOnly{log: silent{}}, Streams: make(chan struct{}, 1), Configured: func() map[spool.RouteKey]bool { return nil }}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute+streamBeat/2)
		defer cancel()
		w := httptest.NewRecorder()
		a.streamEvents(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/inbox/events/stream", nil))
		if n := strings.Count(w.Body.String(), ": alive\n\n"); n != 4 || !w.Flushed {
			t.Errorf("%d beats in a minute, flushed %v: %q", n, w.Flushed, w.Body)
		}
		if got := w.Header().Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("it is %s", got)
		}
		if len(a.Streams) != 0 {
			t.Error("the stream has ended and keeps its place")
		}
	})
}
