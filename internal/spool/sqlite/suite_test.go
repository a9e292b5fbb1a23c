package sqlite

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"github.com/ncruces/go-sqlite3/vfs"
	"go.uber.org/goleak"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine is a store on a medium.
type engine struct {
	m    *medium
	dir  string
	shm  string
	lim  limits
	st   *Store
	boot *boot
}

func makeEngine(t testing.TB) spooltest.Engine { return newEngine(t) }

func newEngine(t testing.TB) *engine {
	// Not t.TempDir: a case that failed may leave the store open until its
	// clean-up runs.
	dir, err := os.MkdirTemp("", "spool") //nolint:usetesting // As said.
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{m: newMedium(), dir: dir, shm: dir}
	t.Cleanup(func() {
		e.Kill(t)
		os.RemoveAll(dir)
	})
	return e
}

func (e *engine) Open(t testing.TB, o spooltest.Options) (spool.Store, error) {
	if e.boot == nil {
		e.boot = e.m.start(e.shm)
	}
	opts := Options{Now: o.Now, Settings: o.Settings, vfs: e.boot.name, index: e.boot.shm, limits: e.lim}
	if testing.Verbose() && os.Getenv("SPOOL_LOG") != "" {
		opts.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	st, err := Open(e.dir, opts)
	if err != nil {
		return nil, err
	}
	e.st = st
	return st, nil
}

func (e *engine) end(cacheLost bool) {
	e.m.end(cacheLost, nil)
	if e.boot != nil {
		// The dead process's goroutines end here; its files answer no more.
		if e.st != nil {
			e.st.Close()
		}
		vfs.Unregister(e.boot.name)
		e.boot, e.st = nil, nil
	}
}

func (e *engine) Kill(testing.TB)     { e.end(false) }
func (e *engine) PowerCut(testing.TB) { e.end(true) }

func (e *engine) Sweep(ctx context.Context) error { return e.st.Sweep(ctx) }

func (e *engine) FailSyncs(after, n int) { e.m.syncs.Fail(after, n) }

func (e *engine) GateSyncs(after int) (<-chan struct{}, func()) { return e.m.syncs.Gate(after) }

func TestContract(t *testing.T) {
	t.Parallel()
	spooltest.Run(t, makeEngine)
}

// tiny has merges begin all the time.
var tiny = limits{recent: 8, run: 3}

func TestContractWhileMerging(t *testing.T) {
	t.Parallel()
	spooltest.Run(t, func(t testing.TB) spooltest.Engine {
		e := newEngine(t)
		e.lim = tiny
		return e
	})
}
