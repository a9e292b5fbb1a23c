package dashboard_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/dashboard"
	"github.com/inboxgate/inboxgate/internal/minutes"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const phone = "+15551234567"

// buffer keeps the lines of a log.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// rig is a store, the API before it, and the pages before that.
type rig struct {
	testing.TB
	store *sqlite.Store
	hour  *minutes.Hour
	api   http.Handler
	pages *dashboard.Dashboard
	audit buffer

	mu      sync.Mutex // guards what follows
	refused []string   // why each POST was refused
	about   control.About
	config  map[spool.RouteKey]control.RouteConfig
	pace    map[spool.RouteKey]control.Pace
	user    string
	fail    error // of each call of the API, nil for none
}

// newRig returns a rig with an empty store and the routes app and crm of source inbox.
func newRig(t testing.TB, o dashboard.Options) *rig {
	t.Helper()
	r := &rig{TB: t, hour: minutes.New("missing", "wrong"), user: "alice"}
	var err error
	if r.store, err = sqlite.Open(t.TempDir(), sqlite.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.store.Close() })
	r.config = map[spool.RouteKey]control.RouteConfig{}
	r.pace = map[spool.RouteKey]control.Pace{}
	r.configure("inbox", "app", "crm")
	r.about = control.About{
		Version: "v1.2.0", Started: time.Now().Add(-76 * time.Hour), Accepted: 212, Max: 10 << 30,
		Sources: []control.SourceStatus{{Source: "inbox"}},
		Secrets: []control.Secret{{Source: "inbox", Secret: "a1f3", Valid: true, Used: time.Now().Add(-2 * time.Second)}, {Source: "inbox", Secret: "9c02", Valid: true, Used: time.Now().Add(-26 * time.Hour)}},
	}
	r.api = control.New(r.options())
	o.Client = control.Over(http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r.mu.Lock()
		fail := r.fail
		r.mu.Unlock()
		if fail != nil {
			panic(fail)
		}
		r.api.ServeHTTP(w, hr)
	}))
	o.User = func(*http.Request) string { r.mu.Lock(); defer r.mu.Unlock(); return r.user }
	o.Refused = func(_ *http.Request, why string) {
		r.mu.Lock()
		r.refused = append(r.refused, why)
		r.mu.Unlock()
	}
	r.pages = dashboard.New(o)
	r.pages.Patient()
	t.Cleanup(r.pages.Close)
	return r
}

// operator is a person who may do all.
var operator = dashboard.Options{Operate: true, Reveal: true}

func (r *rig) options() control.Options {
	return control.Options{
		Store: r.store, Minutes: r.hour, Audit: slog.New(slog.NewTextHandler(&r.audit, nil)),
		Configured: func() map[spool.RouteKey]bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			all := map[spool.RouteKey]bool{}
			for k := range r.config {
				all[k] = true
			}
			return all
		},
		Route: func(k spool.RouteKey) control.RouteConfig { r.mu.Lock(); defer r.mu.Unlock(); return r.config[k] },
		Pace:  func(k spool.RouteKey) control.Pace { r.mu.Lock(); defer r.mu.Unlock(); return r.pace[k] },
		Retry: func(spool.RouteKey, int64) bool { return true },
		About: func() control.About { r.mu.Lock(); defer r.mu.Unlock(); return r.about },
		Release: func(ctx context.Context, rec spool.Record, dryRun bool) (control.Released, error) {
			became := control.Released{ID: spool.ReleaseID(rec.Event, rec.Reason), Type: rec.Event.Type, Routes: []string{"app"}}
			if dryRun {
				return became, nil
			}
			e := *rec.Event
			e.Seq, e.ID = 0, became.ID
			_, err := r.store.Accept(ctx, spool.Intake{Event: &e, Routes: []spool.RouteWish{{Route: "app"}}, DeliverStale: true, Release: rec.Event.Seq})
			return became, err
		},
	}
}

// configure sets the routes of a source.
func (r *rig) configure(source string, routes ...string) {
	r.Helper()
	var names []spool.RouteName
	for _, name := range routes {
		names = append(names, spool.RouteName{Name: name})
		r.config[spool.RouteKey{Source: source, Route: name}] = control.RouteConfig{
			Upstreams: []string{name + ":3000"}, Types: []string{"message.*"}, Schedule: []control.Seconds{10, 60, 600}, Timeout: 5, MaxInFlight: 8,
		}
	}
	r.ok(r.store.Configure(r.Context(), "", source, names))
}

func (r *rig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// letter is an event to store.
type letter struct {
	id, typ, message string
	body             string // default: one with all of these
	route            string // default: app
	state            spool.State
	status           int
	error, response  string
	reason           string
}

// accept stores an event whose delivery ended in its state, 0 for one that waits. Those
// that wait must come last.
func (r *rig) accept(l letter) int64 {
	r.Helper()
	if l.route == "" {
		l.route = "app"
	}
	if l.typ == "" {
		l.typ = "message.read"
	}
	if l.body == "" {
		l.body = fmt.Sprintf(`{"id":%q,"type":%q,"data":{"message_id":%q,"to":%q}}`, l.id, l.typ, l.message, phone)
	}
	e := &spool.Event{
		Source: "inbox", ID: l.id, Type: l.typ, CreatedAt: time.Now().Add(-1100 * time.Millisecond),
		Request: spool.Request{
			Method: "POST", URI: "/webhooks/inbox", Host: "hooks.example.com", Scheme: "https", RemoteAddr: "192.0.2.1:5000",
			Header: http.Header{"X-Inbox-Signature": {"sha256=secret"}, "Content-Type": {"application/json"}}, Body: []byte(l.body),
		},
	}
	in := spool.Intake{Event: e, Routes: []spool.RouteWish{{Route: l.route}}}
	if l.state != 0 {
		in.Owner, in.LeaseFor, in.Routes[0].Start = "test", time.Minute, true
	}
	got, err := r.store.Accept(r.Context(), in)
	r.ok(err)
	if l.state == 0 {
		return got.Seq
	}
	if len(got.Running) != 1 {
		r.Fatalf("event %s was not born running: %+v", l.id, got)
	}
	at := spool.Attempt{N: 1, Start: time.Now(), Took: 41 * time.Millisecond, Status: l.status, Error: l.error, Response: []byte(l.response)}
	r.ok(r.store.Settle(r.Context(), spool.Settlement{Lease: got.Running[0].Lease, State: l.state, Attempt: at, Reason: l.reason, Due: time.Now().Add(time.Hour)}))
	return got.Seq
}

// odd stores an entry of quarantine.
func (r *rig) odd(body, reason string) {
	r.Helper()
	e := &spool.Event{Source: "inbox", ID: "", Request: spool.Request{Method: "POST", URI: "/webhooks/inbox", Host: "hooks.example.com", Scheme: "https", Body: []byte(body)}}
	e.Digest = sha256.Sum256([]byte(body))
	r.ok(r.store.Quarantine(r.Context(), spool.Odd{Event: e, Reason: reason}))
}

// busy fills the rig as a night does: a held route, dead letters of two kinds, quarantine,
// and what is parked.
func (r *rig) busy() {
	r.Helper()
	r.configure("inbox", "app", "crm", "oncall", "old")
	for n := range 20 {
		r.accept(letter{id: fmt.Sprintf("evt_ok%02d", n), message: fmt.Sprintf("msg_%d", n), state: spool.Delivered, status: 200, response: "OK"})
	}
	for n := range 4 {
		r.accept(letter{id: fmt.Sprintf("evt_dead%d", n), typ: "message.action", message: fmt.Sprintf("msg_dead%d", n), route: "crm", state: spool.Dead, status: 500, error: "status 500", response: `{"error":"database is down"}`, reason: "attempts used up"})
	}
	r.accept(letter{id: "evt_gone", typ: "message.failed", route: "oncall", state: spool.Dead, status: 410, error: "status 410", reason: "refused for good"})
	r.odd(`{"id":"evt_broken"`, "invalid JSON")
	r.odd(`{"id":"evt_broken2"`, "invalid JSON")
	r.accept(letter{id: "evt_parked", route: "old"})
	delete(r.config, spool.RouteKey{Source: "inbox", Route: "old"})
	r.configure("inbox", "app", "crm", "oncall")
	for n := range 3 {
		r.accept(letter{id: fmt.Sprintf("evt_wait%d", n), typ: "message.failed", route: "oncall"})
	}
	r.ok(r.store.Hold(r.Context(), "", spool.RouteKey{Source: "inbox", Route: "oncall"}, spool.Hold{Since: time.Now().Add(-12 * time.Minute), Reason: "connection refused at alerts:9000", ByHand: true}))
	r.pace[spool.RouteKey{Source: "inbox", Route: "crm"}] = control.Pace{Rate: 50, Burst: 1, Limit: 4.5, InFlight: 2, Since: time.Now().Add(-time.Minute), Reason: "status 429", Next: time.Now().Add(time.Second)}
	r.about.LastWarning = &control.Notice{At: time.Now().Add(-time.Minute), Level: "warn", Text: "route oncall is held"}
	src := r.hour.Source("inbox")
	for n := range 40 {
		src.Accepted(time.Now(), time.Duration(n)*100*time.Microsecond)
		r.hour.Route("inbox", "app").Delivered(minutes.Outcome{At: time.Now(), Took: time.Duration(n) * time.Millisecond, Status: 200})
	}
	src.Refused("missing")
	r.hour.Route("inbox", "crm").Failed(minutes.Outcome{At: time.Now(), Took: time.Second, Status: 500, Error: "status 500"})
}

var errBroken = errors.New("the store is on fire")

// get asks for a page.
func (r *rig) get(path string, head ...string) *httptest.ResponseRecorder {
	path, _, _ = strings.Cut(path, "#") // A browser keeps that for itself.
	req := httptest.NewRequestWithContext(r.Context(), http.MethodGet, "http://ops.example"+path, nil)
	for i := 0; i < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	w := httptest.NewRecorder()
	r.pages.ServeHTTP(w, req)
	return w
}

// page asks for a page that must be there, and returns it.
func (r *rig) page(path string) string {
	r.Helper()
	w := r.get(path)
	if w.Code != http.StatusOK {
		r.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// post sends a form as a browser does from a page of the same origin.
func (r *rig) post(path string, form url.Values, head ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(r.Context(), http.MethodPost, "http://ops.example"+path, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "http://ops.example")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
		if head[i+1] == "" {
			req.Header.Del(head[i])
		}
	}
	w := httptest.NewRecorder()
	r.pages.ServeHTTP(w, req)
	return w
}

var tokenIn = regexp.MustCompile(`name="form" value="([^"]+)"`)

// token returns the token of the first form of a page.
func (r *rig) token(path string) string {
	r.Helper()
	found := tokenIn.FindStringSubmatch(r.page(path))
	if found == nil {
		r.Fatalf("%s has no form", path)
	}
	return found[1]
}
