package dashboard_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

var update = flag.Bool("update", false, "write the golden files again")

// all are the addresses of all kinds of pages, in a rig that is busy.
func (r *rig) all() []string {
	r.Helper()
	paths := []string{
		"/", "/events", "/events?state=dead", "/events?type=message.*&since=1h", "/events?contains=msg_", "/events/count?state=dead", "/counts", "/counts?by=state&route=crm", "/counts?by=day", "/counts?by=route", "/counts?by=%22",
		"/quarantine", "/decide", "/store", "/sources", "/events?state=nonsense&status=x",
	}
	for _, route := range []string{"app", "crm", "oncall", "old"} {
		if strings.Contains(r.page("/"), "route="+route+"&") {
			paths = append(paths, "/route?source=inbox&route="+route)
		}
	}
	for _, list := range []string{"/events", "/quarantine"} {
		for _, found := range regexp.MustCompile(`href="(`+list+`/[0-9]+)"`).FindAllStringSubmatch(r.page(list), 3) {
			paths = append(paths, found[1])
		}
	}
	if strings.Contains(r.page("/decide"), "/confirm?") {
		for _, do := range []string{"replay", "discard"} {
			paths = append(paths, "/confirm?do="+do+"&source=inbox&state=dead")
		}
		paths = append(paths, "/confirm?do=release&source=inbox", "/confirm?do=remove&source=inbox")
	}
	return paths
}

// check asks for each page and its fragment, and fails for what is wrong with their HTML.
func (r *rig) check(paths []string) {
	r.Helper()
	for _, path := range paths {
		w := r.get(path)
		if w.Code >= 500 {
			r.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		for _, bad := range faults(w.Body.String()) {
			r.Errorf("%s: %s", path, bad)
		}
		if part := r.get(path, "X-Fragment", "1"); part.Code != w.Code || strings.Contains(part.Body.String(), "<main") {
			r.Errorf("the fragment of %s: %d", path, part.Code)
		} else if _, err := parse(part.Body.String()); err != nil {
			r.Errorf("the fragment of %s: %v", path, err)
		}
	}
}

func TestPagesBusy(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.busy()
	paths := r.all()
	if len(paths) < 20 {
		t.Errorf("only %d pages: %v", len(paths), paths)
	}
	r.check(paths)
	for path, wants := range map[string][]string{
		"/": {
			"212 in the last minute", "connection refused at alerts:9000", "held by hand</span> <span class=\"muted\">12 min", "slowed by its app: status 429", "at most 50 a second",
			"8 wait for a decision: 5 dead letters of 2 kinds, 2 in quarantine, 1 parked.", "of 10 GiB", "Up 3 d 4 h", "1 <bdi>missing</bdi>", "can go", "placeholder=\"event id, message id",
			">Resume<", ">Hold…<",
		},
		"/events":                             {"29 found", "evt_dead3", "500 · 41 ms", "msg_dead3", "data-every=\"3\""},
		"/events?state=parked":                {"1 found", "evt_parked"},
		"/decide":                             {"5 in 2 groups", `class="mono"><bdi>{&#34;error&#34;:&#34;database is down&#34;}`, "<strong><bdi>500</bdi></strong>", "Replay 4…", "invalid JSON", "Release 2…", "configure the route again", "<bdi>old</bdi>"},
		"/route?source=inbox&route=crm":       {"crm:3000", "10 s, 1 min, 10 min", "none since the start", "<bdi>500</bdi> after 1 s"},
		"/store":                              {"works", "engine <bdi>sqlite</bdi>", "Download a backup"},
		"/sources":                            {"a1f3", "1 d 2 h ago", "it can be removed from the configuration"},
		"/confirm?do=replay&state=dead&kind=": {"Replay 5 dead letters?", "A dry run found <strong>5</strong>", "required"},
	} {
		text := r.page(path)
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %q", path, want)
			}
		}
	}
	if w := r.get("/events?state=nonsense"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "mend the fields") || !strings.Contains(w.Body.String(), "there are waiting") {
		t.Errorf("a wrong filter: %d %s", w.Code, w.Body)
	}
}

// A route that an answer holds says whose answer it was, as one that fails does.
func TestHeldByAnAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.configure("inbox", "app")
	r.accept(letter{id: "evt_1", route: "app"})
	r.ok(r.store.Hold(r.Context(), "", spool.RouteKey{Source: "inbox", Route: "app"}, spool.Hold{Since: time.Now(), Reason: "status 503"}))
	if text := r.page("/"); !strings.Contains(text, "Route <bdi>app</bdi> is held: its app answered 503. 1 wait.") && !strings.Contains(text, "Route app is held: its app answered 503. 1 wait.") {
		t.Errorf("the overview does not say who answered 503:\n%s", text)
	}
}

func TestPagesEmpty(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.about = control.About{Version: "v1.2.0"}
	r.check(append(r.all(), "/events/7", "/quarantine/7", "/events/x", "/nothing", "/jobs/none", "/route?source=inbox&route=none", "/confirm", "/confirm?do=sing"))
	for path, want := range map[string]string{
		"/": "all is well", "/events": "No event has come yet", "/events?type=message.read": "Nothing is as you asked", "/quarantine": "Quarantine is empty",
		"/decide": "None.", "/sources": "No source is configured",
	} {
		if text := r.page(path); !strings.Contains(text, want) {
			t.Errorf("%s has no %q", path, want)
		}
	}
	for path, want := range map[string]int{"/events/7": 404, "/events/x": 404, "/quarantine/7": 404, "/nothing": 404, "/jobs/none": 404, "/route?source=a&route=b": 404, "/confirm?do=sing": 400, "/events?cursor=x": 400} {
		if w := r.get(path); w.Code != want || !strings.Contains(w.Body.String(), "<h1") {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

// A store that does not work, and an API that does not answer, are shown as that.
func TestPagesDown(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.busy()
	paths := r.all()
	r.ok(r.store.Close())
	r.pages.Forget()
	for _, path := range paths {
		w := r.get(path)
		if bad := faults(w.Body.String()); len(bad) > 0 {
			t.Errorf("%s of a closed store: %v", path, bad)
		}
		if strings.HasPrefix(path, "/events/") && w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s of a closed store: %d", path, w.Code)
		}
	}
	for _, path := range []string{"/", "/decide", "/store"} {
		if w := r.get(path); w.Code != 200 || !strings.Contains(w.Body.String(), "store is closed") {
			t.Errorf("%s of a closed store: %d %s", path, w.Code, w.Body)
		}
	}
	r.mu.Lock()
	r.fail = errBroken
	r.mu.Unlock()
	r.pages.Forget()
	for _, path := range paths {
		w := r.get(path)
		if w.Code == http.StatusOK || !strings.Contains(w.Body.String(), "on fire") && w.Code >= 500 {
			t.Errorf("%s without an API: %d %s", path, w.Code, w.Body)
		}
		if bad := faults(w.Body.String()); len(bad) > 0 {
			t.Errorf("%s without an API: %v", path, bad)
		}
	}
}

// 10,000 routes, and as many kinds of dead letters, make pages of bounded length.
func TestPagesHuge(t *testing.T) {
	t.Parallel()
	o, now := operator, time.Now()
	o.Now = func() time.Time { return now } // All pages see one answer of the API, which is large.
	r := newRig(t, o)
	var names []string
	for n := range 10_000 {
		names = append(names, fmt.Sprintf("route-%05d", n))
	}
	r.configure("inbox", names...)
	for n := range 101 {
		r.accept(letter{id: fmt.Sprintf("evt_%d", n), route: names[n], state: spool.Dead, status: 500, error: fmt.Sprintf("status 500: kind %d", n), reason: "attempts used up"})
	}
	r.ok(r.store.Hold(t.Context(), "", spool.RouteKey{Source: "inbox", Route: names[9999]}, spool.Hold{Since: time.Now(), Reason: "down", ByHand: true}))
	paths := []string{"/?from=9950", "/", "/events", "/decide", "/?named=route-00", "/?from=99999999", "/?from=-1"}
	if underRace {
		paths = paths[:1] // The rest is of what the pages say, and not of who writes at once.
	}
	r.check(paths)
	for path, wants := range map[string][]string{
		"/":                      {"10,002", "route-09999</bdi>", "after ›"},
		"/?from=9990":            {"9991 and following of 10,002", "‹ before"},
		"/?named=route-0001":     {"route-00019"},
		"/?named=nothing":        {"No route has that in its name"},
		"/decide":                {"101 in 100 of more groups", "and 1 smaller group:"},
		"/events":                {"count them", "older ›", "data-src=\"/events/count?\""},
		"/events/count":          {"101 found"},
		"/events?type=message.*": {"older ›"},
	} {
		text := r.page(path)
		if len(text) > 200<<10 {
			t.Errorf("%s has %d bytes", path, len(text))
		}
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %q", path, want)
			}
		}
	}
}

const evil = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\u0000{{.}}"

// hostile fills the rig with other people's text in every field.
func (r *rig) hostile() {
	r.Helper()
	r.user = evil
	long := strings.Repeat("<", 250) + "/../?"
	for n, id := range []string{"..", "a/b?c#d", `"><script>`, long} {
		r.accept(letter{
			id: id, typ: "message.x" + strings.Repeat("y", 100), message: evil, state: spool.Dead, status: 500, error: evil, reason: evil, response: evil + strings.Repeat("<b>", 300),
			body: fmt.Sprintf(`{"n":%d,"data":{"message_id":%q,"text":"</pre><script>alert(1)</script>`+"\u202e"+`"}}`, n, "msg</script>"),
		})
	}
	r.accept(letter{id: "big", state: spool.Delivered, status: 200, body: `{"a":"` + strings.Repeat("<i>", 350_000) + `"}`})
	r.accept(letter{id: "raw", state: spool.Delivered, status: 200, body: "\xff\x00\u202e<script>alert(1)</script>"})
	r.odd("\x00\xff<script>alert(1)</script>", evil)
	r.about.Version, r.about.LastWarning = evil, &control.Notice{At: time.Now(), Level: evil, Text: evil}
	r.about.Secrets = []control.Secret{{Source: "inbox", Secret: evil}}
	r.config[spool.RouteKey{Source: "inbox", Route: "app"}] = control.RouteConfig{Upstreams: []string{evil}, Types: []string{evil}, If: evil, Order: evil}
	r.ok(r.store.Hold(r.Context(), "", spool.RouteKey{Source: "inbox", Route: "app"}, spool.Hold{Since: time.Now(), Reason: evil, ByHand: true}))
}

// Other people's text runs nothing, mixes up nothing, and hides nothing.
func TestPagesHostile(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.hostile()
	paths := append(r.all(), "/?named=%22%3E%3Cscript%3E", "/events?contains=%3Cscript%3E&error=%22%3E%3Cscript%3E", "/events?state=%22%3E%3Cscript%3E")
	r.check(paths)
	for _, path := range paths {
		text := r.get(path).Body.String()
		for _, bad := range []string{"<script>", "<img", "\u202e", "\x00", "ZgotmplZ", "&lt;bdi"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %q", path, bad)
			}
		}
		if len(text) > 400<<10 {
			t.Errorf("%s has %d bytes", path, len(text))
		}
	}
	if w := r.get("/find?q=" + "%2E%2E"); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/events/") {
		t.Errorf("the id '..' is found at %d %s", w.Code, w.Header().Get("Location"))
	}
}

// golden keeps pages whose look is agreed upon. Times and tokens are left out.
func TestGolden(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.busy()
	n := strings.TrimPrefix(regexp.MustCompile(`/events/[0-9]+`).FindString(r.page("/events?state=dead&route=crm")), "/events/")
	for name, path := range map[string]string{"decide": "/decide", "event": "/events/" + n, "confirm": "/confirm?do=replay&source=inbox&route=crm&state=dead", "missing": "/events/9999"} {
		text := r.get(path).Body.String()
		for _, cut := range []struct{ pattern, with string }{
			{`<time[^>]*>[^<]*</time>`, "<time>"},
			{`name="form" value="[^"]*"`, `name="form" value="TOKEN"`},
			{`/-/(style|script|icon)-[0-9a-f]+`, "/-/$1"},
			{`up [^<]*<`, "up<"},
		} {
			text = regexp.MustCompile(cut.pattern).ReplaceAllString(text, cut.with)
		}
		file := filepath.Join("testdata", name+".html")
		if *update {
			r.ok(os.MkdirAll("testdata", 0o755))
			r.ok(os.WriteFile(file, []byte(text), 0o644))
		}
		want, err := os.ReadFile(file)
		if err != nil || string(want) != text {
			t.Errorf("%s is not as %s has it (%v); look at it and run with -update:\n%s", path, file, err, text)
		}
	}
}

// A prefix stands before each address of a page.
func TestPrefix(t *testing.T) {
	t.Parallel()
	o := operator
	o.Prefix = func(*http.Request) string { return "/ops" }
	r := newRig(t, o)
	r.busy()
	for _, path := range []string{"/", "/events", "/decide", "/store", "/sources", "/events/1", "/confirm?do=replay&state=dead", "/events?type=x.y"} {
		all, err := parse(r.get(path).Body.String())
		r.ok(err)
		for _, e := range all {
			for _, name := range []string{"href", "src", "action", "data-src"} {
				if to, ok := e.attr[name]; ok && !strings.HasPrefix(to, "/ops/") && !strings.HasPrefix(to, "#") {
					t.Errorf("%s: %s leads to %s", path, e.name, to)
				}
			}
		}
	}
	for _, path := range []string{"/find?q=evt_dead1", "/find?q=msg_dead1", "/events?type=&state=dead"} {
		if to := r.get(path).Header().Get("Location"); !strings.HasPrefix(to, "/ops/events") {
			t.Errorf("%s leads to %q", path, to)
		}
	}
}
