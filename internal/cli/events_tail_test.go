package cli_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// doorway is an admin endpoint before a desk's API, that comes and goes.
type doorway struct {
	*desk
	path string
	open *http.Server
	// cut ends, where it is set, the second page of a look in the middle.
	cut atomic.Bool
}

func (w *doorway) come() {
	w.Helper()
	l, err := net.Listen("unix", w.path)
	w.ok(err)
	w.open = &http.Server{Handler: w}
	go func() { _ = w.open.Serve(l) }()
}

func (w *doorway) leave() {
	w.Helper()
	w.ok(w.open.Close())
}

func (w *doorway) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("cursor") != "" && w.cut.CompareAndSwap(true, false) {
		rw.Header().Set("Content-Length", "1000")
		_, _ = rw.Write([]byte(`{"events":`))
		_ = http.NewResponseController(rw).Flush() // What has begun is not asked for again by the client itself.
		panic(http.ErrAbortHandler)
	}
	w.api.Config.Handler.ServeHTTP(rw, r)
}

// Whoever follows the events does not have to care whether inboxgate is there:
// it is waited for, and no event is left out or shown twice.
func TestEventsTailWaits(t *testing.T) {
	t.Parallel()
	// A short path: that of a socket may have 103 bytes.
	w := &doorway{desk: newDesk(t)}
	w.path = filepath.Join(w.dir, "a.sock")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, says, ended := &watched{}, &watched{}, make(chan error, 1)
	root := program()
	root.SetOut(out)
	root.SetErr(says)
	root.SetArgs([]string{"inbox", "events", "tail", "--limit", "2", "--every", "2ms", "--admin", "unix/" + w.path})
	go func() { ended <- root.ExecuteContext(ctx) }()
	says.await(t, "waiting for it\n")
	for i := range 3 {
		w.accept(i, "message.read", map[string]spool.State{"app": spool.Delivered})
	}
	w.come()
	out.await(t, "evt_2 ")
	says.await(t, "inboxgate answers again\n")

	w.leave()
	says.await(t, "answers again\nasking inboxgate")
	// More than a page, so that the way back has to be walked.
	for i := 3; i < 1100; i++ {
		w.accept(i, "message.read", nil)
	}
	w.cut.Store(true)
	w.come()
	out.await(t, "evt_1099 ")
	w.accept(1100, "message.read", nil)
	text := out.await(t, "evt_1100 ")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	w.leave()
	n := 1
	for line := range strings.Lines(text) {
		if got, want := strings.Fields(line)[2], fmt.Sprint("evt_", n); got != want {
			t.Fatalf("it showed %s, want %s", got, want)
		}
		n++
	}
	if n != 1101 {
		t.Errorf("the last it showed is evt_%d", n-1)
	}
	// Two absences, of many looks each; the one that was cut is of the second.
	if all := says.await(t, "waiting"); strings.Count(all, "waiting for it\n") != 2 || strings.Count(all, "answers again\n") != 2 {
		t.Errorf("it says %q", all)
	}
	if w.cut.Load() {
		t.Error("no look was cut in the middle")
	}
}

// Ctrl-C ends it while nobody is there, too.
func TestEventsTailOfNobody(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	says, ended := &watched{}, make(chan error, 1)
	root := program()
	root.SetErr(says)
	root.SetArgs([]string{"inbox", "events", "tail", "--every", "1ms", "--admin", "unix/" + filepath.Join(t.TempDir(), "none")})
	go func() { ended <- root.ExecuteContext(ctx) }()
	first := says.await(t, "waiting for it\n")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	if !strings.Contains(first, "is it running there? --admin or INBOX_ADMIN names another address") || strings.Count(says.await(t, "waiting"), "\n") != 1 {
		t.Errorf("it says %q", says.await(t, "waiting"))
	}
}
