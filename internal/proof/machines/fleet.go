//go:build linux

package machines

import (
	"cmp"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// What is promised of time: how long events may wait while nobody works for their route,
// and for how long behind the death of a machine.
const (
	idle     = 1500 * time.Millisecond
	orphaned = 31500 * time.Millisecond
)

// Options are how a fleet is made. The zero value is two machines on one server.
type Options struct {
	// Machines is how many there are. Default 2.
	Machines int
	// Standby makes a second server, which follows the first: "sync" if commits wait
	// for it, "async" if not.
	Standby string
	// Replica asks for durability replica.
	Replica bool
	// Cluster is what the servers are like.
	Cluster pgtest.Options
	// DSN, where not nil, is how the machines find the database, in place of the
	// addresses of the servers.
	DSN func(f *Fleet) string
	// Routes, Source, Rules, Rate and Host are those of the rigs.
	Routes []rig.Route
	Source string
	Rules  history.Rules
	Rate   int
	Host   string
	// Takes says whether a machine gets events of a type from Background. Nil: all do.
	Takes func(machine int, typ string) bool
	// Net, where not nil, has each machine and each server at a place of its own. The
	// apps and the sender are at that of this process.
	Net *Net
	// Each changes the options of a machine, counted from 0.
	Each func(machine int, o *rig.Options)
}

// Fleet is several machines on one database. It belongs to one goroutine, as its rigs
// do. Rig is the first of its machines, for all that they share.
type Fleet struct {
	*rig.Rig
	Machines []*rig.Rig
	// Primary takes the writes; Standby is nil where there is none. Promote makes a
	// primary of it.
	Primary, Standby *pgtest.Cluster
	// Database is the name of the database in each.
	Database string
	// Places are those of the machines on Options.Net, StandbyPlace that of the standby.
	Places       []*Place
	StandbyPlace *Place

	t testing.TB
	o Options
	// cancelled counts commits that CancelWaiting has found, later what StandbyLost waits
	// for at its end.
	cancelled int
	later     []func()
	// stalled is for how long this process was kept from running, in nanoseconds.
	stalled atomic.Int64
}

// New makes the servers and the machines. Start starts the processes.
func New(t testing.TB, o Options) *Fleet {
	t.Helper()
	pgtest.Need(t)
	o.Machines = cmp.Or(o.Machines, 2)
	f := &Fleet{t: t, o: o}
	f.serve()
	dsn := f.dsn()
	o.Rules.Several = true
	o.Rules.Idle, o.Rules.Orphaned = idle, orphaned
	if o.Rate == 0 {
		o.Rate = 300
	}
	for n := range o.Machines {
		each := rig.Options{
			Routes: o.Routes, Source: o.Source, Rules: o.Rules, Rate: o.Rate, Host: o.Host,
			Store: storage(n, o.Replica), Env: []string{"INBOX_DATABASE_URL=" + dsn},
		}
		if n > 0 {
			each.Beside = f.Machines[0]
		}
		if o.Net != nil {
			p := o.Net.Place()
			f.Places = append(f.Places, p)
			each.Host, each.Listen, each.Wrap = o.Net.Here(), p.Address, p.Wrap
		}
		if o.Each != nil {
			o.Each(n, &each)
		}
		f.Machines = append(f.Machines, rig.New(t, each))
	}
	f.Rig = f.Machines[0]
	f.watch()
	return f
}

// serve starts the servers.
func (f *Fleet) serve() {
	f.t.Helper()
	if f.o.Net != nil {
		f.o.Cluster.Network = f.o.Net.Place().Network()
	}
	f.Primary = pgtest.Start(f.t, f.o.Cluster)
	f.Database = f.check2(f.Primary.CreateDatabase())
	switch {
	case f.o.Standby == "":
		return
	case f.o.Net != nil:
		f.StandbyPlace = f.o.Net.Place()
		f.Standby = pgtest.StartStandbyAt(f.t, f.Primary, "standby", f.StandbyPlace.Network())
	default:
		f.Standby = pgtest.StartStandby(f.t, f.Primary, "standby")
	}
	if f.o.Standby == "sync" {
		f.check(f.Primary.SetSynchronous("standby"))
	}
}

// dsn is how the machines find the database.
func (f *Fleet) dsn() string {
	switch {
	case f.o.DSN != nil:
		return f.o.DSN(f)
	case f.Standby != nil:
		return pgtest.DSNOf(f.Database, f.Primary, f.Standby)
	}
	return f.Primary.DSN(f.Database)
}

// storage is what stands in the option `inbox` of a machine.
func storage(machine int, replica bool) string {
	durability := "local"
	if replica {
		durability = "replica"
	}
	return fmt.Sprintf("storage postgres {env.INBOX_DATABASE_URL} {\n\tdurability %s\n\tname %s\n}", durability, Name(machine))
}

// Name is what a machine is called.
func Name(machine int) string { return fmt.Sprintf("machine%d", machine+1) }

// watch notes when this process does not run though it would.
func (f *Fleet) watch() {
	stop, ended := make(chan struct{}), make(chan struct{})
	const every = 20 * time.Millisecond
	go func() {
		defer close(ended)
		last := time.Now()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if now := time.Now(); now.Sub(last) > 5*every {
				f.stalled.Add(int64(now.Sub(last)))
				f.Log.Trouble(history.Stalled, 0, last, now)
			}
			last = time.Now()
		}
	}()
	f.t.Cleanup(func() { close(stop); <-ended })
}

// Start starts the process of every machine that has none, all at once, and waits until
// they serve.
func (f *Fleet) Start() {
	f.t.Helper()
	var begun []*rig.Rig
	for _, m := range f.Machines {
		if m.Life() == nil {
			m.Begin()
			begun = append(begun, m)
		}
	}
	for _, m := range begun {
		m.Serves()
	}
}

// Live are the machines that have a process.
func (f *Fleet) Live() (live []*rig.Rig) {
	for _, m := range f.Machines {
		if m.Life() != nil {
			live = append(live, m)
		}
	}
	return live
}

// Stop stops every process and wants exit code 0.
func (f *Fleet) Stop() {
	f.t.Helper()
	for _, m := range f.Live() {
		if code := m.Stop(); code != 0 {
			f.t.Errorf("SIGTERM ends with exit code %d", code)
		}
	}
}

func (f *Fleet) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *Fleet) check2(s string, err error) string {
	f.t.Helper()
	f.check(err)
	return s
}
