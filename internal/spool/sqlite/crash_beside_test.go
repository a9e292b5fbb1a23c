package sqlite

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

// otherProcess has the store open over the lives of ours, as a backup tool does.
type otherProcess struct {
	t    *testing.T
	e    *engine
	boot *boot
	c    *sqlite3.Conn
	in   bool // a transaction
}

// anotherProcess begins while ours is not running. Its first read needs a store.
func anotherProcess(t *testing.T, e *engine) *otherProcess {
	t.Helper()
	o := &otherProcess{t: t, e: e, boot: e.m.beside(e.shm)}
	var err error
	o.c, err = sqlite3.OpenFlags("file:"+e.dir+"/spool.db?vfs="+o.boot.name, sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI)
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	o.exec(errors.Join(err, o.c.Exec("PRAGMA busy_timeout=5000; PRAGMA wal_autocheckpoint=0")))
	t.Cleanup(func() { o.end() })
	return o
}

func (o *otherProcess) exec(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// read begins a transaction, or ends it.
func (o *otherProcess) read(in bool) {
	o.t.Helper()
	if o.in {
		o.exec(o.c.Exec("COMMIT"))
	}
	if o.in = in; in {
		o.exec(o.c.Exec("BEGIN; SELECT count(*) FROM events"))
	}
}

// sometimes changes what it does, by chance.
func (o *otherProcess) sometimes(t *testing.T, e *engine, r *rand.Rand) *otherProcess {
	switch e.m.mu.Lock(); {
	case len(e.m.files) == 0: // There is no store yet.
		e.m.mu.Unlock()
		return nil
	default:
		e.m.mu.Unlock()
	}
	if o == nil {
		o = anotherProcess(t, e)
		o.exec(o.c.Exec("SELECT count(*) FROM events"))
	}
	if r.IntN(2) == 0 {
		o.read(r.IntN(3) > 0)
	}
	return o
}

// end is its own.
func (o *otherProcess) end() *otherProcess {
	if o == nil || o.c == nil {
		return nil
	}
	_ = o.c.Close()
	o.c = nil
	o.e.m.mu.Lock()
	if o.e.m.other == o.boot {
		o.e.m.other = nil
	}
	o.e.m.mu.Unlock()
	vfs.Unregister(o.boot.name)
	return nil
}

// besideAReader brings about what a process that stays can hide: part of the log
// was copied and counted as copied, then the fsync of the database failed, which
// the kernel tells once. What the next process answers must survive a power cut.
func besideAReader(t *testing.T) (lost int, err error) {
	e := newEngine(t)
	s := openEngine(t, e)
	accept(t, s, benchEvent(0), "a", false)
	e.Kill(t)
	other := anotherProcess(t, e)
	other.exec(other.c.Exec("SELECT count(*) FROM events"))

	s = openEngine(t, e)
	const n = 200
	for i := range int64(n) {
		accept(t, s, benchEvent(i+1), "a", false)
		if i == n/2 {
			other.read(true)
		}
	}
	pass := func(w *writer) error { return w.checkpoint(sqlite3.CHECKPOINT_PASSIVE) }
	other.exec(s.betweenBatches(bg, pass)) // as far as the reader lets it
	other.read(false)
	e.FailSyncs(1, 1) // the log's succeeds, the database's does not
	if err := s.betweenBatches(bg, pass); err == nil {
		t.Fatal("no sync failed")
	}
	e.Kill(t)

	s = openEngine(t, e)
	for i := range int64(n) {
		accept(t, s, benchEvent(n+i+1), "a", false)
	}
	other.end()
	e.PowerCut(t)
	_, err = e.Open(t, spooltest.Options{Now: time.Now})
	if err != nil {
		return 0, err
	}
	check(t, e.st)
	for i := range int64(2*n + 1) {
		if rc, err := e.st.Accept(bg, spool.Intake{Event: benchEvent(i)}); err != nil || rc.Verdict != spool.Duplicate {
			lost++
		}
	}
	return lost, nil
}

func openEngine(t *testing.T, e *engine) *Store {
	t.Helper()
	if _, err := e.Open(t, spooltest.Options{Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	return e.st
}

func TestPowerCutBesideAReaderThatStays(t *testing.T) {
	t.Parallel()
	if lost, err := besideAReader(t); err != nil || lost != 0 {
		t.Errorf("%d events are lost, %v", lost, err)
	}
}
