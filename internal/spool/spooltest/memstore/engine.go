package memstore

import (
	"context"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

// Make returns engines for spooltest.Run, with the faults named.
func Make(fs ...Fault) spooltest.Make {
	return func(t testing.TB) spooltest.Engine {
		e := &engine{disk: newDisk(), faults: faults{}}
		for _, f := range fs {
			e.faults[f] = true
		}
		t.Cleanup(func() { e.Kill(t) })
		return e
	}
}

type engine struct {
	disk   *disk
	faults faults
	open   *store // the one opened last
}

func (e *engine) Open(_ testing.TB, o spooltest.Options) (spool.Store, error) {
	s, err := open(e.disk, o, e.faults)
	if err != nil {
		return nil, err
	}
	e.open = s
	return s, nil
}

func (e *engine) Sweep(ctx context.Context) error { return e.open.Sweep(ctx) }

func (e *engine) Kill(testing.TB)     { e.disk.end(false) }
func (e *engine) PowerCut(testing.TB) { e.disk.end(true) }

func (e *engine) FailSyncs(after, n int) { e.disk.syncs.Fail(after, n) }

func (e *engine) GateSyncs(after int) (<-chan struct{}, func()) { return e.disk.syncs.Gate(after) }

var _ spool.Store = (*store)(nil)
