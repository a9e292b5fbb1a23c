package browser

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/browser/gate"
)

// usage is what a process holds.
type usage struct{ goroutines, files, heap, log int }

// day is how often a page that is refreshed every 2 s asks in 24 h.
const day = 43_200

// A page that is left open for a day leaves nothing behind: no goroutine, no open file,
// no memory, and no read transaction, which would keep the store's log from being reused.
func TestADayOfRefreshesLeavesNothing(t *testing.T) {
	t.Parallel()
	calls := day / 20
	if os.Getenv("INBOXGATE_LONG") != "" {
		calls = day
	}
	app := gate.NewApp(t)
	app.Answers(func(id string) gate.Answer {
		if strings.HasPrefix(id, "no") {
			return gate.Answer{Status: http.StatusInternalServerError, Body: "no"}
		}
		return gate.Answer{Status: http.StatusOK}
	})
	g := gate.Start(t, gate.Config{Routes: []gate.Route{{Types: "*", Name: "app", App: app, Words: "retry 50ms\nmax_in_flight 1"}}})
	g.Send(t, gate.Events("evt", "message.read", 200)...)
	failing := gate.Events("no", "message.failed", 30)
	g.Send(t, failing...)
	app.AwaitTried(t, 2, gate.IDs(failing)...)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	refresh := func(n int) {
		for i := range n {
			fragment(t, client, g.Pages+[]string{"/", "/events", "/decide", "/events?state=dead", "/store"}[i%5])
			if i%10 == 0 {
				g.Send(t, gate.Event{ID: fmt.Sprintf("more_%d_%d", n, i), Type: "message.read"})
			}
		}
		client.CloseIdleConnections()
	}
	refresh(300)
	before := settled(t, g)
	refresh(calls)
	after := settled(t, g)
	t.Logf("before and after %d refreshes: %+v, %+v", calls, before, after)
	if after.goroutines > before.goroutines+3 || after.files > before.files+3 {
		t.Errorf("%d refreshes left goroutines or files: %+v, then %+v", calls, before, after)
	}
	if after.heap > before.heap+(8<<20) {
		t.Errorf("%d refreshes left memory: %+v, then %+v", calls, before, after)
	}
	// As much as the log holds three times over: a transaction that still read would let
	// it grow by all of that.
	large := gate.Events("large", "message.read", 1600)
	for i := range large {
		large[i].Data = map[string]any{"message_id": "msg", "text": strings.Repeat("x", 32<<10)}
	}
	g.Send(t, large...)
	if log := used(t, g).log; log > 40<<20 {
		t.Errorf("the store's log has %d MiB after 50 MiB of events: something still reads", log>>20)
	}
}

// fragment asks for what a refresh asks for.
func fragment(t *testing.T, client *http.Client, address string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Fragment", "1")
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || strings.Contains(string(text), "<html") {
		t.Fatalf("%s: %s %v\n%.500s", address, answer.Status, err, text)
	}
}

var (
	goroutines = regexp.MustCompile(`goroutine profile: total (\d+)`)
	heap       = regexp.MustCompile(`# HeapAlloc = (\d+)`)
)

// settled returns what the process holds once connections that were closed have gone.
func settled(t *testing.T, g *gate.Gate) usage {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	least := used(t, g)
	for same, n := 0, 0; same < 10 && n < 300; n++ {
		<-tick.C
		now := used(t, g)
		if same++; now.goroutines < least.goroutines || now.files < least.files {
			same = 0
		}
		least.goroutines, least.files = min(least.goroutines, now.goroutines), min(least.files, now.files)
		least.heap, least.log = min(least.heap, now.heap), now.log
	}
	return least
}

// used returns what the process holds, once it has thrown away what it does not need.
func used(t *testing.T, g *gate.Gate) (u usage) {
	t.Helper()
	number := func(text string, what *regexp.Regexp) int {
		m := what.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no %s in %.200s", what, text)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	g.API(t, "/debug/pprof/heap?debug=1&gc=1") // What finalizers free goes with the next.
	u.heap = number(g.API(t, "/debug/pprof/heap?debug=1&gc=1"), heap)
	u.goroutines = number(g.API(t, "/debug/pprof/goroutine?debug=1"), goroutines)
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.PID()))
	if err != nil {
		t.Fatal(err)
	}
	u.files = len(files)
	logs, err := filepath.Glob(filepath.Join(g.Dir, "store", "*-wal"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("the store has the logs %v, %v", logs, err)
	}
	about, err := os.Stat(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	u.log = int(about.Size())
	return u
}
