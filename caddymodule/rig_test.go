package caddymodule_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/caddymodule"
	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/testapp"
	"github.com/inboxgate/inboxgate/verify"
)

const secret = "a-secret-of-the-test-0123456789"

// patience bounds every wait of these tests; none of them waits that long on
// a machine that is well.
const patience = 60 * time.Second

// instance is Caddy with a configuration, in this process. There is one at a time.
type instance struct {
	t    *testing.T
	dir  string // The store's.
	logs string
	port string
	// bind is a socket that outlives a reload. Caddy's own TCP listeners share
	// a port by SO_REUSEPORT, so that closing the old one resets what its queue
	// holds; these tests ask whether a request fails in our hands.
	bind string
	// options are further words of the global option inbox.
	options string
	// admin is the address of Caddy's admin endpoint. Default: off.
	admin string
}

// start runs Caddy with a site of that body on a free port. PORT and DIR in
// the text stand for the site's port and the data directory.
func start(t *testing.T, global, site string) *instance {
	t.Helper()
	caddyLoad.Lock()
	t.Cleanup(caddyLoad.Unlock)
	dir := t.TempDir()
	in := &instance{t: t, dir: filepath.Join(dir, "store"), logs: filepath.Join(dir, "log")}
	in.port, in.bind = listen(t)
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
		// An attempt that runs keeps the store, whose directory is about to go.
		for end := time.Now().Add(patience); caddymodule.OpenStorages() > 0 && time.Now().Before(end); {
			runtime.Gosched()
		}
		if n := caddymodule.OpenStorages(); n > 0 {
			t.Errorf("%d stores are open %s after Caddy has stopped", n, patience)
		}
		if t.Failed() {
			raw, _ := os.ReadFile(in.logs)
			t.Logf("Caddy's log ends with:\n%s", raw[max(0, len(raw)-8000):])
		}
	})
	if err := in.load(global, site); err != nil {
		t.Fatalf("loading: %v", err)
	}
	return in
}

func (in *instance) load(global, site string) error {
	in.t.Helper()
	config := fmt.Sprintf(`{
	admin %s
	persist_config off
	auto_https off
	log {
		output file %s {
			roll_disabled
		}
		level DEBUG
	}
	inbox {
		data_dir %s
		%s
	}
	%s
}
http://:%s {
	bind %s
	log
	%s
	respond 404
}
`, cmp.Or(in.admin, "off"), in.logs, in.dir, in.options, global, in.port, in.bind, site)
	raw, err := adapt(in.t, "Caddyfile", config)
	if err != nil {
		return err
	}
	return caddy.Load([]byte(raw), true)
}

func (in *instance) url(path string) string { return "http://127.0.0.1:" + in.port + path }

func (in *instance) store() spool.Store {
	in.t.Helper()
	s := caddymodule.StoreOf(in.dir)
	if s == nil {
		in.t.Fatal("no store is open")
	}
	return s
}

func (in *instance) records(q spool.Query) []spool.Record {
	in.t.Helper()
	page, err := in.store().Records(context.Background(), q)
	if err != nil {
		in.t.Fatalf("reading records: %v", err)
	}
	return page.Records
}

// listen opens a socket on loopback, to be inherited as systemd would hand it over.
func listen(t *testing.T) (port, bind string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // The copy goes on listening.
	t.Cleanup(func() { f.Close() })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, fmt.Sprintf("fd/%d", f.Fd())
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// sample is the body of a fresh event.
func sample(t *testing.T, typ string) (id string, body []byte) {
	t.Helper()
	e, err := event.Sample(typ, time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err = e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return e.ID, body
}

// reply is what came back for one request.
type reply struct {
	status               int
	result, reason, body string
	header               http.Header
}

var client = &http.Client{
	Timeout: 30 * time.Second,
	Transport: &http.Transport{
		MaxIdleConnsPerHost: 256,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // A test's own certificate.
	},
}

// post sends body, signed with the test's secret.
func post(t *testing.T, url string, body []byte) reply {
	t.Helper()
	return send(t, request(t, url, body))
}

func request(t *testing.T, url string, body []byte) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(verify.Header, verify.Sign([]byte(secret), body))
	return r
}

func send(t *testing.T, r *http.Request) reply {
	t.Helper()
	res, _, err := do(r)
	if err != nil {
		t.Fatalf("sending: %v", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return reply{
		status: res.StatusCode, body: string(raw), header: res.Header,
		result: res.Header.Get("X-Inbox-Result"), reason: res.Header.Get("X-Inbox-Reason"),
	}
}

// do sends r, and again when the connection ends without a single byte of an
// answer: a server of net/http that is being replaced drops a request whose
// headers it has just read (its Shutdown is documented so), before any handler
// has seen it. A sender that repeats at once, as here, or in 30 s as the
// platform does, loses nothing.
func do(r *http.Request) (res *http.Response, dropped int, err error) {
	for dropped = range 50 {
		if dropped > 0 {
			if r.Body, err = r.GetBody(); err != nil {
				return nil, dropped, err
			}
		}
		res, err = client.Do(r)
		if err == nil || !unanswered(err) {
			return res, dropped, err
		}
	}
	return nil, dropped, err
}

// unanswered tells whether the connection ended before an answer began. The
// text is that of an error which net/http keeps to itself.
func unanswered(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) ||
		strings.Contains(err.Error(), "server closed idle connection")
}

// app is the receiving application of these tests.
type app struct{ *testapp.App }

// newApp starts an app. answer, if it is not nil, answers the requests, which it gets
// counted from 1, instead of a 200.
func newApp(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *app {
	t.Helper()
	if answer == nil {
		return &app{testapp.New(t, nil)}
	}
	return &app{testapp.New(t, func(w http.ResponseWriter, r *http.Request, a testapp.Arrival) { answer(w, r, a.N) })}
}

func (a *app) addr() string { return a.Addr }

func (a *app) arrivals() []testapp.Arrival { return a.Arrivals() }

func (a *app) count(id string) int { return len(a.Of(id)) }

// await waits until the app has got the event, and returns its first arrival.
func (a *app) await(t *testing.T, id string) testapp.Arrival {
	t.Helper()
	return a.Event(t, id)
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if yes() {
			return
		}
	}
	t.Fatalf("waited %s in vain for %s", patience, what)
}

func (in *instance) logged(text string) bool {
	raw, err := os.ReadFile(in.logs)
	return err == nil && bytes.Contains(raw, []byte(text))
}
