package memstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

// Make returns engines for spooltest.Run, with the faults named.
func Make(fs ...Fault) spooltest.Make {
	return func(t testing.TB) spooltest.Engine { return newEngine(t, false, fs) }
}

// MakeShared returns engines whose storage two processes may have open.
func MakeShared(fs ...Fault) spooltest.Make {
	return func(t testing.TB) spooltest.Engine { return sharer{newEngine(t, true, fs)} }
}

type engine struct {
	disk   *disk
	shared bool
	faults faults
	server *server // nil while no process has the storage open
	first  *store  // the one that Open opened last
	peer   *store
}

func newEngine(t testing.TB, shared bool, fs []Fault) *engine {
	e := &engine{disk: &disk{}, shared: shared, faults: faults{}}
	for _, f := range fs {
		e.faults[f] = true
	}
	t.Cleanup(func() { e.Kill(t) })
	return e
}

// open begins a process, and the server where no process is there to share it with.
func (e *engine) open(o spooltest.Options) (*store, error) {
	begins := !e.shared || !e.first.opened() && !e.peer.opened()
	if begins {
		e.server = newServer(e.disk, o, e.shared, e.faults)
	}
	return open(e.server, o, begins)
}

func (e *engine) Open(_ testing.TB, o spooltest.Options) (spool.Store, error) {
	s, err := e.open(o)
	if err != nil {
		return nil, err
	}
	if e.first = s; e.shared {
		return member{s}, nil
	}
	return s, nil
}

func (e *engine) Sweep(ctx context.Context) error { return e.first.Sweep(ctx) }

func (e *engine) Kill(testing.TB) {
	e.first.kill()
	e.peer.kill()
	e.disk.syncs.Reset()
}

func (e *engine) PowerCut(t testing.TB) {
	e.Kill(t)
	e.disk.cut()
}

func (e *engine) FailSyncs(after, n int) { e.disk.syncs.Fail(after, n) }

func (e *engine) GateSyncs(after int) (<-chan struct{}, func()) { return e.disk.syncs.Gate(after) }

// sharer is an engine whose storage two processes may have open.
type sharer struct{ *engine }

var (
	_ spooltest.Sharer   = sharer{}
	_ spooltest.Outliver = sharer{}
	_ spooltest.Prompt   = sharer{}
)

func (e sharer) Soon() time.Duration { return time.Second }

func (e sharer) LeasesOutlive() bool { return true }

func (e sharer) Peer(_ testing.TB, o spooltest.Options) (spool.Store, error) {
	if e.peer.opened() {
		return nil, errors.New("there is a peer already")
	}
	s, err := e.open(o)
	if err != nil {
		return nil, err
	}
	e.peer = s
	return member{s}, nil
}

func (e sharer) KillPeer(testing.TB) { e.peer.kill() }

// opened reports whether the process is there.
func (s *store) opened() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing.Lock()
	defer s.closing.Unlock()
	return !s.gone && !s.closed
}

// kill ends the process: its calls fail, and change nothing any more.
func (s *store) kill() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.leave(s, false)
	}
	s.disk.kill(s.life)
}

var _ spool.Store = (*store)(nil)
