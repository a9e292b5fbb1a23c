package caddymodule

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/storage"
)

// fleet is a store that other processes have open too.
type fleet struct {
	spool.Store
	mu         sync.Mutex // guards states
	states     []spool.RouteState
	members    []spool.Member
	configured map[spool.Owner][]spool.RouteName
	left       []spool.Owner
}

func (f *fleet) Members(context.Context) ([]spool.Member, error) { return f.members, nil }
func (f *fleet) Live(spool.RouteKey) int                         { return 2 }

func (f *fleet) Routes(context.Context) ([]spool.RouteState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.states), nil
}

func (f *fleet) Configure(_ context.Context, o spool.Owner, _ string, names []spool.RouteName) error {
	if f.configured == nil {
		f.configured = make(map[spool.Owner][]spool.RouteName)
	}
	f.configured[o] = names
	return nil
}

func (f *fleet) Leave(_ context.Context, o spool.Owner) error { f.left = append(f.left, o); return nil }

func keyOf(name string) spool.RouteKey { return spool.RouteKey{Source: "inbox", Route: name} }

// serving is an app that serves those routes of the source inbox from f.
func serving(f *fleet, log *slog.Logger, routes ...Route) *App {
	s := &source{Source: Source{Name: "inbox", Routes: routes}}
	for _, r := range routes {
		s.keys = append(s.keys, keyOf(r.Name))
	}
	return &App{
		sources: &sourceSet{byName: map[string]*source{"inbox": s}},
		storage: storage.Of(f, nil), log: log,
	}
}

// In a rolling start each member knows routes that the next has not told of yet: what
// waits there is called parked a while later, and only where still nobody serves it.
func TestARollingStartParksNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		served int
		ends   time.Duration // when the configuration does
		want   bool
	}{
		"served by the next": {1, time.Hour, false},
		"served by none":     {0, time.Hour, true},
		"replaced":           {0, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log lines
				f := &fleet{states: []spool.RouteState{
					{Key: keyOf("app"), Waiting: 1, Served: 2}, {Key: keyOf("next"), Waiting: 3},
				}}
				a := serving(f, slog.New(slog.NewTextHandler(&log, nil)), Route{Name: "app"})
				done := make(chan struct{})
				storage.WarnParked(t.Context(), f, a.configured(), a.log, done)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if said := log.String(); said != "" {
					t.Errorf("warned at once: %s", said)
				}
				f.mu.Lock()
				f.states[1].Served = c.served
				f.mu.Unlock()
				if c.ends < time.Minute {
					close(done)
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if got := strings.Contains(log.String(), "deliveries are parked"); got != c.want || strings.Contains(log.String(), "route=app") {
					t.Errorf("warned %v, want %v: %s", got, c.want, log.String())
				}
			})
		})
	}
}

// A store of this process alone waits for nothing.
func TestParkedAtOnceInAStoreOfOurOwn(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	f := &fleet{states: []spool.RouteState{{Key: keyOf("old"), Running: 1, Served: 1}}}
	a := serving(f, slog.New(slog.NewTextHandler(&log, nil)), Route{Name: "app"})
	storage.WarnParked(t.Context(), struct{ spool.Store }{f}, a.configured(), a.log, nil) // Not Shared.
	if !strings.Contains(log.String(), "route=old") {
		t.Errorf("the log is %s", &log)
	}
}

// A load that failed gives back the names that it took over, but not one that another
// member serves: that one's load has not failed.
func TestRenamesAreGivenBackWhereNobodyElseServesThem(t *testing.T) {
	t.Parallel()
	member := func(live, here bool) []spool.Member {
		return []spool.Member{{Live: live, Here: here, Serves: []spool.RouteKey{keyOf("new")}}}
	}
	for name, c := range map[string]struct {
		members []spool.Member
		was     string
	}{
		"nobody":          {nil, "new"},
		"another":         {member(true, false), ""},
		"another, gone":   {member(false, false), "new"},
		"this one itself": {member(true, true), "new"},
	} {
		f := &fleet{members: c.members}
		log := slog.New(slog.DiscardHandler)
		failed := serving(f, log, Route{Name: "new", Was: "old"})
		back := serving(f, log, Route{Name: "old"})
		failed.owner, back.owner = "failed", "back"
		failed.leave()
		failed.undoRenames(back)
		if want := []spool.RouteName{{Name: "old", Was: c.was}}; !slices.Equal(f.configured["back"], want) {
			t.Errorf("served by %s: configured %v, want %v for the one that stays", name, f.configured, want)
		}
		if !slices.Equal(f.left, []spool.Owner{"failed"}) {
			t.Errorf("served by %s: left %v", name, f.left)
		}
	}
}

// lines are what a log says. It is safe for concurrent use.
type lines struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
