package control_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// fleet is a store that several processes share.
type fleet struct {
	spool.Store // Without the calls of an engine that has a file.
	members     []spool.Member
	away        error // Why it does not work.
}

func (f fleet) Members(context.Context) ([]spool.Member, error) { return f.members, f.away }
func (f fleet) Live(spool.RouteKey) int                         { return 1 }

func (f fleet) Stats() spool.Stats {
	s := f.Store.Stats()
	s.Unavailable = f.away
	return s
}

// A shared store is described with its members and its database, and has no calls that
// need a file.
func TestSharedStore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := time.Now()
	f := fleet{Store: r.store, members: []spool.Member{
		{Number: 4, Name: "gate-1", Version: "v1", Began: now, Seen: now, Live: true, Here: true, Serves: []spool.RouteKey{{Source: "inbox", Route: "app"}}},
		{Number: 5, Name: "gate-2", Began: now, Seen: now},
	}}
	o := control.Options{
		Store: &f, Instead: func(what string) string { return "use the tool for " + what },
		Database: func() *control.Database {
			return &control.Database{Address: "postgres://inbox@db/inbox", Durability: "local", Snapshot: 1.5, Dead: 3}
		},
	}
	r.server.Close()
	r.server = httptest.NewServer(control.New(o))
	t.Cleanup(r.server.Close)
	c := r.readContract()
	for _, path := range []string{"/inbox/store", "/inbox/status"} {
		if status := c.check("GET", path, nil, "", ""); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
	s, err := r.client().Store(t.Context())
	if err != nil || s.Engine != "postgres" || s.Database == nil || len(s.Members) != 2 {
		t.Fatalf("%v, %+v", err, s)
	}
	if m := s.Members[0]; m.Name != "gate-1" || !m.Live || !m.Here || !slices.Equal(m.Serves, []string{"inbox/app"}) || m.Holds == nil {
		t.Errorf("a member is %+v", m)
	}
	for call, want := range map[string]string{"GET /inbox/store/backup": "use the tool for backup", "POST /inbox/store/compact": "use the tool for compact"} {
		method, path, _ := strings.Cut(call, " ")
		if status, body := r.call(method, path, "", "", ""); status != 501 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, %s", call, status, body)
		}
	}
	f.away = errors.New("the database cannot be reached")
	if s, err := r.client().Store(t.Context()); err != nil || s.OK || s.Unavailable == "" || s.Members != nil || s.Database == nil {
		t.Errorf("away: %v, %+v", err, s)
	}
}

// A store in a directory is not shared.
func TestStoreInADirectory(t *testing.T) {
	t.Parallel()
	s, err := newRig(t).client().Store(t.Context())
	if err != nil || s.Engine != "sqlite" || s.Database != nil || s.Members != nil {
		t.Errorf("%v, %+v", err, s)
	}
}
