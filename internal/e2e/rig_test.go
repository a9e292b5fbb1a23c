package e2e

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
	"github.com/inboxgate/inboxgate/verify"
)

// standing is an inboxgate that runs on its environment.
type standing struct {
	*proctest.Process
	t   *testing.T
	dir string
	url string
}

// stand starts inboxgate with an operator's socket, and waits until it serves.
func stand(t *testing.T, pairs ...string) *standing {
	t.Helper()
	return standAt(t, proctest.FreeAddress(t), pairs...)
}

// standAt is stand at a known address.
func standAt(t *testing.T, listen string, pairs ...string) *standing {
	t.Helper()
	dir, err := os.MkdirTemp("", "up") //nolint:usetesting // Short, for the socket's sake.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	pairs = append([]string{"INBOX_LISTEN=" + listen, "INBOX_ADMIN=", "INBOX_DATA_DIR=" + filepath.Join(dir, "d")}, pairs...)
	p := proctest.Start(t, gate(t, dir, pairs...))
	p.Await(t, "serving initial configuration", 1)
	return &standing{p, t, dir, "http://" + listen + "/webhooks/inbox"}
}

// post sends a fresh event and returns its id. It wants it accepted.
func (s *standing) post() string {
	s.t.Helper()
	e, err := event.Sample("message.read", time.Now(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	body, err := e.Marshal()
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Host = "hooks.example.com"
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(verify.Header, verify.Sign([]byte(secret), body))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("X-Inbox-Result"); got != "accepted" {
		s.t.Fatalf("%s, %s %s", res.Status, got, res.Header.Get("X-Inbox-Reason"))
	}
	return e.ID
}

// operate runs a command of the operator's against it and returns what it prints.
func (s *standing) operate(argv ...string) []byte {
	s.t.Helper()
	out, err := command(s.t, s.dir, []string{"INBOX_ADMIN=", "INBOX_DATA_DIR=" + filepath.Join(s.dir, "d")}, argv...).Output()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return out
}

func (s *standing) routesList() string { s.t.Helper(); return string(s.operate("routes", "list")) }

// attempt is one line of a delivery's log.
type attempt struct {
	Status int    `json:"status"`
	Error  string `json:"error"`
	Free   bool   `json:"free"`
}

// attempts are those of every event, by its id, as an operator sees them.
func (s *standing) attempts() map[string][]attempt {
	s.t.Helper()
	out := s.operate("events", "export")
	all := make(map[string][]attempt)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct {
			ID         string `json:"id"`
			Deliveries []struct {
				Log []attempt `json:"log"`
			} `json:"deliveries"`
		}
		if err := d.Decode(&e); err == io.EOF {
			return all
		} else if err != nil {
			s.t.Fatalf("reading the export: %v", err)
		}
		for _, one := range e.Deliveries {
			all[e.ID] = append(all[e.ID], one.Log...)
		}
	}
}

// flawless wants each event delivered by its first attempt, and no route held.
func (s *standing) flawless(ids []string) {
	s.t.Helper()
	all := s.attempts()
	for _, id := range ids {
		if log := all[id]; len(log) != 1 || log[0].Status/100 != 2 || log[0].Free || log[0].Error != "" {
			s.t.Errorf("event %s had the attempts %+v", id, log)
		}
	}
	if out := s.Output(); strings.Contains(out, "route held") {
		s.t.Errorf("a route was held:\n%s", out)
	}
}

// secureApp is an app behind TLS. It returns the file of the authority that has signed
// its certificate.
func secureApp(t *testing.T) (app *testapp.App, url, authority string) {
	t.Helper()
	app = testapp.At(t, "")
	s := httptest.NewTLSServer(app)
	t.Cleanup(s.Close)
	authority = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return app, s.URL, authority
}
