package dashboard_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// state returns the states of an event's deliveries.
func (r *rig) state(number int64) (states string) {
	r.Helper()
	p, err := r.store.Records(r.Context(), spool.Query{Seq: number, Limit: 1})
	r.ok(err)
	if len(p.Records) == 0 {
		return "gone"
	}
	for _, d := range p.Records[0].Deliveries {
		states += d.Route + " " + d.State.String()
	}
	return states
}

// send posts a form with a new token and returns where it leads.
func (r *rig) send(path string, form url.Values) string {
	r.Helper()
	w := r.post(path, cloneForm(form, r.token("/")))
	if w.Code != http.StatusSeeOther {
		r.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Header().Get("Location")
}

// Each button does what it says, and the audit log has who and why.
func TestButtons(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	dead := r.accept(letter{id: "evt_1", state: spool.Dead, status: 500, error: "status 500"})
	gone := r.accept(letter{id: "evt_2", state: spool.Dead, status: 410, error: "status 410"})
	r.odd("{", "invalid JSON")
	r.odd("[", "invalid JSON")
	entries := regexp.MustCompile(`href="(/quarantine/[0-9]+)"`).FindAllStringSubmatch(r.page("/quarantine"), -1)
	if len(entries) != 2 {
		t.Fatalf("entries: %v", entries)
	}
	because := func(form url.Values) url.Values { form.Set("reason", "database back"); return form }
	for _, step := range []struct {
		path, says, audit string
		form              url.Values
		after             func() string
		want              string
	}{
		{fmt.Sprintf("/events/%d", dead), "sent again", "change=replay", url.Values{"do": {"replay"}, "route": {"app"}}, func() string { return r.state(dead) }, "app available"},
		{fmt.Sprintf("/events/%d", dead), "nothing to change", "", url.Values{"do": {"replay"}, "route": {"app"}}, func() string { return r.state(dead) }, "app available"},
		{fmt.Sprintf("/events/%d", gone), "was discarded", "change=discard", url.Values{"do": {"discard"}, "route": {"app"}}, func() string { return r.state(gone) }, "app discarded"},
		{entries[0][1], "was released", "change=release", url.Values{"do": {"release"}}, func() string { return fmt.Sprint(strings.Contains(r.page("/events?state=available"), "body:")) }, "true"},
		{entries[1][1], "was removed", `change="discard entry"`, url.Values{"do": {"remove"}}, func() string { return fmt.Sprint(strings.Contains(r.page("/quarantine"), "is empty")) }, "true"},
		{"/routes", "The route is held", "change=hold", url.Values{"do": {"hold"}, "source": {"inbox"}, "route": {"app"}}, func() string { return fmt.Sprint(strings.Contains(r.page("/"), "database back")) }, "true"},
		{"/routes", "The route goes on", "change=resume", url.Values{"do": {"resume"}, "source": {"inbox"}, "route": {"app"}, "back": {"route"}}, func() string { return fmt.Sprint(strings.Contains(r.page("/"), "held by hand")) }, "false"},
		{"/routes", "attempted now", "change=retry", url.Values{"do": {"retry"}, "source": {"inbox"}, "route": {"app"}}, func() string { return "" }, ""},
	} {
		at := len(r.audit.String())
		where := r.send(step.path, because(step.form))
		if text := r.page(where); !strings.Contains(text, step.says) {
			t.Errorf("%s %v: %s does not say %q", step.path, step.form, where, step.says)
		}
		if got := step.after(); got != step.want {
			t.Errorf("%s %v: %q, want %q", step.path, step.form, got, step.want)
		}
		if line := r.audit.String()[at:]; !strings.Contains(line, step.audit) || !strings.Contains(line, "user=alice") || !strings.Contains(line, `reason="database back"`) {
			t.Errorf("%s %v: audit %s", step.path, step.form, line)
		}
	}
	for path, form := range map[string]url.Values{"/events/1": {"do": {"sing"}}, "/quarantine/1": {"do": {"replay"}}, "/routes": {"do": {"delete"}}, "/confirm": {"do": {"sing"}, "reason": {"x"}}} {
		if w := r.post(path, cloneForm(form, r.token("/"))); w.Code != http.StatusBadRequest {
			t.Errorf("%s %v: %d", path, form, w.Code)
		}
	}
	if w := r.post("/routes", cloneForm(url.Values{"do": {"hold"}, "source": {"inbox"}, "route": {"none"}}, r.token("/"))); w.Code != http.StatusNotFound {
		t.Errorf("a route that is not there: %d", w.Code)
	}
}

// A delivery has the buttons that make sense for its state.
func TestButtonsByState(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	for state, want := range map[spool.State]string{spool.Dead: "replay discard", spool.Delivered: "replay"} {
		n := r.accept(letter{id: "evt_" + state.String(), state: state, status: 200})
		r.buttons(n, want)
	}
	r.buttons(r.accept(letter{id: "evt_retry", state: spool.Retrying, status: 500, error: "status 500"}), "")
	r.buttons(r.accept(letter{id: "evt_wait"}), "")
}

func (r *rig) buttons(number int64, want string) {
	r.Helper()
	var got []string
	for _, b := range regexp.MustCompile(`name="do" value="([a-z]+)"`).FindAllStringSubmatch(r.page(fmt.Sprintf("/events/%d", number)), -1) {
		got = append(got, b[1])
	}
	if strings.Join(got, " ") != want {
		r.Errorf("event %d has buttons %v, want %s", number, got, want)
	}
}

// A form that is sent twice, even at the same time, is done once, and both lead to the
// same.
func TestSentTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	for n := range 5 {
		r.accept(letter{id: fmt.Sprintf("evt_%d", n), state: spool.Dead, status: 500, error: "status 500"})
	}
	form := cloneForm(url.Values{"do": {"replay"}, "words": {"source=inbox&state=dead"}, "reason": {"again"}}, r.token("/confirm?do=replay&state=dead"))
	var wg sync.WaitGroup
	where := make([]string, 8)
	for i := range where {
		wg.Go(func() { where[i] = r.post("/confirm", form).Header().Get("Location") })
	}
	wg.Wait()
	for _, w := range where {
		if w != where[0] || !strings.HasPrefix(w, "/jobs/") {
			t.Fatalf("they lead to %v", where)
		}
	}
	r.wait(where[0])
	if n := strings.Count(r.audit.String(), "change=replay"); n != 1 {
		t.Errorf("%d replays: %s", n, r.audit.String())
	}
	form.Set("form", "forged")
	for _, token := range []string{"forged", "", strings.Repeat("A", 54), r.tokenOfAnother()} {
		form.Set("form", token)
		if w := r.post("/confirm", form); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "nothing was changed") {
			t.Errorf("token %q: %d", token, w.Code)
		}
	}
}

// tokenOfAnother returns a token of another process.
func (r *rig) tokenOfAnother() string {
	other := newRig(r.TB, operator)
	return other.token("/")
}

// A form that lay open for too long is refused.
func TestOldForm(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now()
	o := operator
	o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	r := newRig(t, o)
	r.accept(letter{id: "evt_1", state: spool.Dead, status: 500})
	form := cloneForm(url.Values{"do": {"replay"}}, r.token("/"))
	mu.Lock()
	now = now.Add(13 * time.Hour)
	mu.Unlock()
	if w := r.post("/events/1", form); w.Code != http.StatusConflict || r.state(1) != "app dead" {
		t.Errorf("%d, %s", w.Code, r.state(1))
	}
}

var ended = regexp.MustCompile(`class="state (ok|warn|bad)">(done|stopped|failed)<`)

// wait waits for the end of a job and returns its page.
func (r *rig) wait(path string) string {
	r.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		text := r.page(path)
		if ended.MatchString(text) {
			return text
		}
		if time.Now().After(end) {
			r.Fatalf("%s has not ended: %s", path, text)
		}
	}
}

// A group is decided about as a whole: counted first, with a reason, followed to its end,
// and nothing else is touched.
func TestGroup(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.busy()
	link := regexp.MustCompile(`href="(/confirm\?do=replay&amp;[^"]*route=crm[^"]*)"`).FindStringSubmatch(r.page("/decide"))
	if link == nil {
		t.Fatal("no link to replay the group of crm")
	}
	path := strings.ReplaceAll(link[1], "&amp;", "&")
	text := r.page(path)
	if !strings.Contains(text, "Replay 4 dead letters of crm?") || !strings.Contains(text, "▲") && !strings.Contains(text, "slowed") {
		t.Errorf("the question: %s", text)
	}
	form := url.Values{"do": {"replay"}, "words": {strings.TrimPrefix(path, "/confirm?do=replay&")}}
	if w := r.post("/confirm", cloneForm(form, r.token(path))); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "say why") || strings.Contains(r.audit.String(), "replay") {
		t.Errorf("without a reason: %d", w.Code)
	}
	form.Set("reason", "database back")
	text = r.wait(r.send("/confirm", form))
	for _, want := range []string{"4 sent again", "4 of 4 looked at", "0 failed again", "by <bdi>alice</bdi>", "database back", "See the result"} {
		if !strings.Contains(text, want) {
			t.Errorf("the end has no %q: %s", want, text)
		}
	}
	if bad := faults(text); len(bad) > 0 {
		t.Error(bad)
	}
	if text := r.page("/decide"); !strings.Contains(text, "1 in 1 group") || !strings.Contains(text, "Bulk changes") || strings.Contains(text, "route=crm") {
		t.Errorf("after it: %s", text)
	}
	if line := r.audit.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, "deliveries=4") || !strings.Contains(line, `reason="database back"`) || !strings.Contains(line, "user=alice") {
		t.Errorf("audit: %s", line)
	}
	for do, says := range map[string]string{"discard": "1 discarded", "release": "2 released"} {
		words := map[string]string{"discard": "source=inbox&route=oncall", "release": "source=inbox&reason=invalid+JSON"}[do]
		if text := r.wait(r.send("/confirm", url.Values{"do": {do}, "words": {words}, "reason": {"decided"}})); !strings.Contains(text, says) {
			t.Errorf("%s: %s", do, text)
		}
	}
	if text := r.page("/decide"); strings.Contains(text, "/confirm") {
		t.Errorf("something is left: %s", text)
	}
}

// What died again after a replay is counted.
func TestFailedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.accept(letter{id: "evt_1", state: spool.Dead, status: 500, error: "status 500"})
	where := r.send("/confirm", url.Values{"do": {"replay"}, "words": {"state=dead&route=app"}, "reason": {"try"}})
	r.wait(where)
	got, err := r.store.Lease(t.Context(), spool.Pick{Owner: "test", Route: spool.RouteKey{Source: "inbox", Route: "app"}, N: 1, LeaseFor: time.Minute})
	r.ok(err)
	if len(got.Deliveries) != 1 {
		t.Fatalf("%d wait", len(got.Deliveries))
	}
	r.ok(r.store.Settle(t.Context(), spool.Settlement{Lease: got.Deliveries[0].Lease, State: spool.Dead, Reason: "again", Attempt: spool.Attempt{N: 1, Start: time.Now(), Status: 500, Error: "status 500"}}))
	if text := r.page(where); !strings.Contains(text, "1 failed again") {
		t.Error(text)
	}
}
