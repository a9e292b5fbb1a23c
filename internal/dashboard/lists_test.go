package dashboard_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

var rowIDs = regexp.MustCompile(`href="/(?:events|quarantine)/[0-9]+"><bdi>([^<]+)`)

// ids returns the ids on a page of events.
func (r *rig) ids(path string) string {
	r.Helper()
	var got []string
	for _, id := range rowIDs.FindAllStringSubmatch(r.page(path), -1) {
		got = append(got, id[1])
	}
	return strings.Join(got, " ")
}

// Each word of a filter is a field, is read from the address, and is kept by the links to
// other pages.
func TestWords(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.busy()
	text := r.page("/events")
	for _, w := range control.Words(control.OfEvents) {
		if !strings.Contains(text, `name="`+w.Name+`"`) {
			t.Errorf("the page of events has no field for %s", w.Name)
		}
	}
	text = r.page("/quarantine")
	for _, w := range control.Words(control.OfQuarantine) {
		if !strings.Contains(text, `name="`+w.Name+`"`) {
			t.Errorf("the page of quarantine has no field for %s", w.Name)
		}
	}
	for words, want := range map[string]string{
		"state=dead&route=crm":                     "evt_dead3 evt_dead2 evt_dead1 evt_dead0",
		"state=dead&status=410":                    "evt_gone",
		"error=status+4":                           "evt_gone",
		"type=message.action&message_id=msg_dead1": "evt_dead1",
		"contains=msg_dead2%22":                    "evt_dead2",
		"id=evt_gone":                              "evt_gone",
		"state=parked":                             "evt_parked",
		"since=1h&until=30m":                       "",
		"source=inbox&state=delivered&id=evt_ok03": "evt_ok03",
	} {
		if got := r.ids("/events?" + words); got != want {
			t.Errorf("%s: %q, want %q", words, got, want)
		}
		first, _, _ := strings.Cut(words, "&")
		name, value, _ := strings.Cut(first, "=")
		value, _ = url.QueryUnescape(value)
		if text := r.page("/events?" + words); name != "state" && !strings.Contains(text, `name="`+name+`" value="`+strings.ReplaceAll(value, `"`, "&#34;")) {
			t.Errorf("%s: the field %s lacks its value", words, name)
		}
	}
	for words, want := range map[string]string{"type=&state=dead&cursor=&x=1": "/events?state=dead", "type=+&state=": "/events"} {
		if w := r.get("/events?" + words); w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
			t.Errorf("%s leads to %d %s", words, w.Code, w.Header().Get("Location"))
		}
	}
	for words, says := range map[string]string{"status=abc": "no HTTP status", "since=never": "is no time", "state=ded": "there are waiting", "since=1h&until=2h": "is after until", "source=none": "there is no source"} {
		if w := r.get("/events?" + words); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %s", words, w.Code, w.Body)
		}
	}
}

// The pages of a list are walked forth and back, and nothing is left out.
func TestPager(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	const events = 130
	var wg sync.WaitGroup
	for n := range events {
		wg.Go(func() { r.accept(letter{id: fmt.Sprintf("evt_%03d", n)}) })
	}
	wg.Wait()
	link := func(text, rel string) string {
		found := regexp.MustCompile(`rel="` + rel + `" href="([^"]+)"`).FindStringSubmatch(text)
		if found == nil {
			return ""
		}
		return strings.ReplaceAll(found[1], "&amp;", "&")
	}
	var forth, back []string
	seen := map[string]bool{}
	path := "/events?type=message.*"
	for path != "" {
		text := r.page(path)
		if live := strings.Contains(text, "data-every"); live != (len(forth) == 0) {
			t.Errorf("page %d is live: %v", len(forth), live)
		}
		forth = append(forth, r.ids(path))
		for _, id := range strings.Fields(r.ids(path)) {
			seen[id] = true
		}
		if next := link(text, "next"); next != "" {
			path = next
			continue
		}
		break
	}
	for path != "" {
		back = append([]string{r.ids(path)}, back...)
		path = link(r.page(path), "prev")
	}
	if len(seen) != events || len(forth) != 3 || fmt.Sprint(forth) != fmt.Sprint(back) {
		t.Errorf("%d events on %d pages, and %d back", len(seen), len(forth), len(back))
	}
}

// whole returns a page of counts that says that everything was counted: the API counts for
// a moment only, which may pass before the machine has a turn for it.
func (r *rig) whole(path string) string {
	r.Helper()
	for end := time.Now().Add(time.Minute); ; {
		text := r.page(path)
		if !strings.Contains(text, "more than was counted") {
			return text
		}
		if time.Now().After(end) {
			r.Fatalf("%s is never whole: %s", path, text)
		}
	}
}

// Events are counted by their properties, and each count leads to its events.
func TestCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.busy()
	for by, want := range map[string]string{
		"type&route=crm": "message.action 4", "state&type=message.action": "dead 4", "route&state=dead": "crm 4, oncall 1", "source": "inbox 29", "nonsense&state=parked": "message.read 1",
	} {
		all, err := parse(r.whole("/counts?by=" + by))
		r.ok(err)
		var got []string
		for _, e := range all {
			switch {
			case e.name == "th" && e.attr["scope"] == "row":
				got = append(got, e.text)
			case e.name == "td" && e.attr["class"] == "num":
				got[len(got)-1] += " " + e.text
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %v, want %s", by, got, want)
		}
	}
	link := regexp.MustCompile(`<th scope="row"><a href="([^"]+)"`)
	for _, path := range []string{"/counts?by=type&state=dead", "/counts?by=day&state=dead", "/counts?by=hour&state=dead"} {
		to := link.FindStringSubmatch(r.whole(path))
		if to == nil || !strings.Contains(r.ids(strings.ReplaceAll(to[1], "&amp;", "&")), "evt_dead") {
			t.Errorf("%s leads to %v", path, to)
		}
	}
}

// What is searched for is found by its id, its number, its message, or any text.
func TestFind(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	n := r.accept(letter{id: "evt_1", message: "msg_1", state: spool.Delivered, status: 200})
	one := fmt.Sprintf("/events/%d", n)
	for q, want := range map[string]string{"evt_1": one, " evt_1 ": one, fmt.Sprint(n): one, "": "/events", "msg_1": "/events?contains=msg_1", "99": "/events?contains=99", "a b&c": "/events?contains=a+b%26c"} {
		if to := r.get("/find?q=" + url.QueryEscape(q)).Header().Get("Location"); to != want {
			t.Errorf("%q leads to %s, want %s", q, to, want)
		}
	}
	if got := r.ids("/events?contains=msg_1"); got != "evt_1" {
		t.Errorf("by its message: %q", got)
	}
}

// Whoever looks at the same time is answered by one call, and a change is seen at once.
func TestOneCallForAll(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	calls := 0
	r.mu.Lock()
	api := r.api
	r.mu.Unlock()
	r.api = http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r.mu.Lock()
		calls++
		r.mu.Unlock()
		api.ServeHTTP(w, hr)
	})
	for path, most := range map[string]int{"/": 2, "/events": 2, "/decide": 3, "/store": 1, "/sources": 2} {
		r.pages.Forget()
		calls = 0
		if r.page(path); calls > most {
			t.Errorf("%s makes %d calls", path, calls)
		}
	}
	r.pages.Forget()
	r.page("/")
	calls = 0
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { r.get("/", "X-Fragment", "1") })
	}
	wg.Wait()
	if calls > 10 {
		t.Errorf("20 people make %d calls", calls)
	}
	r.pages.Forget()
	r.page("/decide")
	calls = 0
	for range 20 { // Each look would read all dead letters and all of quarantine.
		wg.Go(func() { r.get("/decide", "X-Fragment", "1") })
	}
	wg.Wait()
	if calls > 10 {
		t.Errorf("20 people who decide make %d calls", calls)
	}
	r.send("/routes", url.Values{"do": {"hold"}, "source": {"inbox"}, "route": {"app"}, "reason": {"seen at once"}})
	if !strings.Contains(r.page("/"), "seen at once") {
		t.Error("a change is not seen by who made it")
	}
}

// A day in front of the screen leaves nothing behind: no goroutine, no memory.
func TestRefreshLeavesNothing(t *testing.T) {
	r := newRig(t, operator)
	r.busy()
	turn := func(n int) {
		for range n {
			for _, path := range []string{"/", "/events", "/decide", "/store"} {
				if w := r.get(path, "X-Fragment", "1"); w.Code != http.StatusOK {
					t.Fatalf("%s: %d", path, w.Code)
				}
			}
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	turn(20)
	before, memory := runtime.NumGoroutine(), heap()
	turns := 1000 / 4
	if underRace {
		turns /= 5
	}
	turn(turns)
	end := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(end) {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, before it %d", n, before)
	}
	if now := heap(); now > memory+2<<20 {
		t.Errorf("%d bytes, before it %d", now, memory)
	}
	r.accept(letter{id: "after", state: spool.Delivered, status: 200}) // No read transaction keeps the writer.
}
