//go:build linux

package postgres

import (
	"context"
	"log/slog"
	"math"
	"os"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

// An engine is a database of its own, on a primary whose synchronous standby is the
// medium that commits wait for: a power cut is a failover to the standby.
type engine struct {
	pair     *pgtest.Pair
	database string
	// first is the process of Open, peer the other one. Nil where none was started.
	first, peer *process
}

// A process is what a kill ends.
type process struct {
	client *pgtest.Client
	st     *Store
}

// makeEngine returns what makes engines whose commits are held up and fail as told.
func makeEngine(how pgtest.Faults) spooltest.Make {
	return func(t testing.TB) spooltest.Engine {
		e := &engine{pair: pgtest.TakePair(t)}
		e.pair.SetFaults(how)
		var err error
		if e.database, err = e.pair.Primary().CreateDatabase(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Kill(t) })
		return e
	}
}

// patience is short, since some cases fail every commit for as long as a batch is tried.
const patience = time.Second

// start starts a process that has the storage open.
func (e *engine) start(name string, o spooltest.Options) (*process, error) {
	p := &process{client: e.pair.NewClient()}
	opts := Options{Now: o.Now, Settings: o.Settings, Name: name, dial: p.client.Dial, patience: patience}
	if testing.Verbose() && os.Getenv("SPOOL_LOG") != "" {
		opts.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	ctx, cancel := context.WithTimeout(context.Background(), pgtest.Patience)
	defer cancel()
	var err error
	p.st, err = Open(ctx, e.pair.Primary().DSN(e.database), opts)
	return p, err
}

// kill ends a process, if it is there.
func (p *process) kill(t testing.TB) {
	t.Helper()
	if p == nil {
		return
	}
	if err := p.client.Kill(); err != nil {
		t.Error(err)
	}
	if p.st != nil {
		p.st.abandon() // The dead process's goroutines end here; its connections are gone.
	}
}

func (e *engine) Open(t testing.TB, o spooltest.Options) (spool.Store, error) {
	p, err := e.start("first", o)
	if err != nil {
		p.kill(t)
		return nil, err
	}
	e.first = p
	return p.st, nil
}

func (e *engine) Peer(t testing.TB, o spooltest.Options) (spool.Store, error) {
	p, err := e.start("peer", o)
	if err != nil {
		p.kill(t)
		return nil, err
	}
	e.peer = p
	return p.st, nil
}

func (e *engine) Kill(t testing.TB) {
	e.first.kill(t)
	e.KillPeer(t)
	e.first = nil
	e.pair.EndFaults()
}

func (e *engine) KillPeer(t testing.TB) {
	e.peer.kill(t)
	e.peer = nil
}

func (e *engine) PowerCut(t testing.TB) {
	e.Kill(t)
	if err := e.pair.Failover(); err != nil {
		t.Fatal(err)
	}
}

func (e *engine) Sweep(ctx context.Context) error { return e.first.st.Sweep(ctx) }

// many is how many failures the suite asks for where it means all of an accept's. This
// engine tries for as long as its patience lasts.
const many = 16

func (e *engine) FailSyncs(after, n int) {
	if n >= many {
		n = math.MaxInt
	}
	e.pair.Fail(after, n)
}

func (e *engine) GateSyncs(after int) (<-chan struct{}, func()) { return e.pair.Gate(after) }

// LeasesOutlive: another process could hold them, so an opening ends none.
func (e *engine) LeasesOutlive() bool { return true }
