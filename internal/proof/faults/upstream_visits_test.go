package faults

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// visits are the attempts that came to an app, by event.
type visits struct {
	mu sync.Mutex
	at map[string][]time.Time
}

func newVisits() *visits { return &visits{at: make(map[string][]time.Time)} }

// note returns how many there have been of the event, with this one.
func (v *visits) note(a *history.Attempt) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.at[a.Key] = append(v.at[a.Key], time.Now())
	return len(v.at[a.Key])
}

func (v *visits) of(key string) []time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.at[key]
}

// firstly behaves so at the first n attempts of each event, and answers 200 to
// those after them.
func firstly(v *visits, n int, b rig.Behaviour) rig.Behaviour {
	return func(w http.ResponseWriter, r *http.Request, a *history.Attempt) {
		if v.note(a) <= n {
			b(w, r, a)
			return
		}
		rig.Answer(http.StatusOK, "OK")(w, r, a)
	}
}

// reset sends some bytes on the bare connection and resets that.
func reset(text string) rig.Behaviour {
	return func(w http.ResponseWriter, _ *http.Request, _ *history.Attempt) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = c.Write([]byte(text))
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // RST instead of FIN.
		}
		_ = c.Close()
		panic(http.ErrAbortHandler) // The record is to know of no answer.
	}
}

// closed sends some bytes on the bare connection and closes that. Nobody can say
// whether they were seen whole.
func closed(text string) rig.Behaviour {
	return func(w http.ResponseWriter, _ *http.Request, _ *history.Attempt) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = c.Write([]byte(text))
		_ = c.Close()
	}
}

// insist sends an event until there is an answer, as the platform does: a reload
// may cut a connection whose request was just read. What had no answer may be
// known when it comes again.
func insist(t *testing.T, r *rig.Rig, e history.Event, result string, a history.Answer) {
	t.Helper()
	first := a.Status != 0
	for range 10 {
		if a.Status != 0 {
			break
		}
		a = r.Send(t.Context(), e)
	}
	if again := !first && a.Result == "duplicate"; a.Status != http.StatusOK || a.Result != result && !again {
		t.Fatalf("%s: answered %d %q %q %v, want %s", e.ID, a.Status, a.Result, a.Reason, a.Err, result)
	}
}

// wantOK sends events and requires that each is accepted.
func wantOK(t *testing.T, r *rig.Rig, events ...history.Event) {
	t.Helper()
	for _, e := range events {
		insist(t, r, e, "accepted", r.Send(t.Context(), e))
	}
}

// await waits for a condition of the record.
func await(t *testing.T, r *rig.Rig, what string, done func() bool) {
	t.Helper()
	if !r.Log.Await(patience, done) {
		t.Fatalf("not after %s: %s\n%s", patience, what, r.Log.Missing())
	}
}

// patience bounds a wait for what takes no time by itself.
const patience = 90 * time.Second

// peakRSS is the most memory that a process has had resident, in MiB.
func peakRSS(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return kib >> 10
		}
	}
	t.Fatal("the kernel does not tell the peak of memory")
	return 0
}

// trap is a server that nobody may call.
func trap(t *testing.T) (url string, calls *atomic.Int64) {
	t.Helper()
	calls = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	t.Cleanup(s.Close)
	return s.URL, calls
}
