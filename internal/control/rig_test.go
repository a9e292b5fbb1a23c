package control_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) { http.DefaultClient.CloseIdleConnections() }))
}

const phone = "+15551234567"

// rig is a store with an event of each kind, and the API before it.
type rig struct {
	*testing.T
	store    *sqlite.Store
	api      http.Handler
	server   *httptest.Server
	mu       sync.Mutex
	released []spool.Record // guarded by mu while a call runs
}

func newRig(t *testing.T, change ...func(*control.Options)) *rig {
	t.Helper()
	dir := t.TempDir()
	st, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	r := &rig{T: t, store: st}
	r.ok(st.Configure(t.Context(), "", "inbox", []spool.RouteName{{Name: "app"}, {Name: "crm"}, {Name: "gone"}}))
	app, crm := spool.RouteKey{Source: "inbox", Route: "app"}, spool.RouteKey{Source: "inbox", Route: "crm"}
	o := control.Options{
		Store: st, Token: "a-token-of-the-test",
		Configured: func() map[spool.RouteKey]bool { return map[spool.RouteKey]bool{app: true, crm: true} },
		Retry:      func(k spool.RouteKey, _ int64) bool { return k == app },
		Pace: func(k spool.RouteKey) control.Pace {
			if k == crm {
				return control.Pace{Rate: 50, Burst: 1, Limit: 4.5, InFlight: 2, Since: time.Now(), Reason: "status 429", Next: time.Now().Add(time.Second), Until: time.Now().Add(time.Second)}
			}
			return control.Pace{}
		},
		Release: func(_ context.Context, rec spool.Record, dryRun bool) (control.Released, error) {
			if !dryRun {
				r.mu.Lock()
				r.released = append(r.released, rec)
				r.mu.Unlock()
			}
			became := control.Released{ID: rec.Event.ID, Type: rec.Event.Type, Routes: []string{}}
			if rec.Event.Type != "" {
				became.Routes = append(became.Routes, "app")
			}
			return became, nil
		},
	}
	for _, f := range change {
		f(&o)
	}
	r.api = control.New(o)
	r.server = httptest.NewServer(r.api)
	t.Cleanup(r.server.Close)
	return r
}

func (r *rig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// accept stores event n for a route and ends its delivery in state, unless that
// is 0. An event left at 0 waits: those after it on its route are not born running, so it
// must be the last.
func (r *rig) accept(n int, typ, route string, state spool.State) int64 {
	r.Helper()
	return r.acceptID(fmt.Sprintf("evt_%d", n), n, typ, route, state)
}

// acceptID is accept for an event of that id.
func (r *rig) acceptID(id string, n int, typ, route string, state spool.State) int64 {
	r.Helper()
	body := fmt.Sprintf(`{"id":%q,"type":%q,"data":{"message_id":"msg_%d","to":%q}}`, id, typ, n, phone)
	e := &spool.Event{
		Source: "inbox", ID: id, Type: typ, CreatedAt: time.Now(),
		Request: spool.Request{
			Method: "POST", URI: "/webhooks/inbox", Host: "hooks.example.com", Scheme: "https",
			Header: http.Header{"X-Inbox-Signature": {"sha256=secret"}, "Content-Type": {"application/json"}}, Body: []byte(body),
		},
	}
	in := spool.Intake{Event: e, Routes: []spool.RouteWish{{Route: route}}}
	if state != 0 {
		in.Owner, in.LeaseFor, in.Routes[0].Start = "test", time.Minute, true
	}
	got, err := r.store.Accept(r.Context(), in)
	r.ok(err)
	if state == 0 {
		return got.Seq
	}
	if len(got.Running) != 1 {
		r.Fatalf("event %d was not born running", n)
	}
	at := spool.Attempt{N: 1, Start: time.Now(), Took: 5 * time.Millisecond, Status: 500, Error: "status 500", Response: []byte("no such user " + phone)}
	if state == spool.Delivered {
		at.Status, at.Error = 200, ""
	}
	r.ok(r.store.Settle(r.Context(), spool.Settlement{Lease: got.Running[0].Lease, State: state, Attempt: at, Reason: "refused", Due: time.Now().Add(time.Hour)}))
	return got.Seq
}

func (r *rig) client() *control.Client {
	r.Helper()
	c, err := control.NewClient(strings.TrimPrefix(r.server.URL, "http://"), "")
	r.ok(err)
	return c
}

// call asks as a stranger who shows that token, through a page of a browser if
// origin is set.
func (r *rig) call(method, path, token, origin, body string) (int, string) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, r.server.URL+path, strings.NewReader(body))
	r.ok(err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	res, err := http.DefaultClient.Do(req)
	r.ok(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	r.ok(err)
	return res.StatusCode, string(raw)
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}
