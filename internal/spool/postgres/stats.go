package postgres

import (
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// counters are figures since Open.
type counters struct {
	// duplicates and conflicts are accepts that ended so, conflicts only those beyond
	// what is kept.
	duplicates, conflicts atomic.Int64
	// commits counts durable transactions of events, and shared the calls in them.
	commits, shared atomic.Int64
	// ambiguous counts transactions whose outcome was unknown, connected those
	// connections that were made.
	ambiguous, connected atomic.Int64
	// pooled reports that a pooler was found which keeps no prepared statements.
	pooled atomic.Bool
	// serverBegan is when the server was started, in nanoseconds.
	serverBegan atomic.Int64
}

// committed counts a durable transaction that so many calls share.
func (s *Store) committed(began time.Time, calls int) {
	s.count.commits.Add(1)
	s.count.shared.Add(int64(calls))
	if s.o.Committed != nil {
		s.o.Committed(time.Since(began))
	}
}

// Stats implements spool.Operator. There is no disk floor: the database's disk is not
// seen from here.
func (s *Store) Stats() spool.Stats {
	r := s.clock.read()
	f := &s.fleet
	down := s.unavailable()
	refusing := f.refuses()
	f.mu.Lock()
	defer f.mu.Unlock()
	return spool.Stats{
		Used: f.kept, File: f.file, Quarantine: f.odd, Odd: f.oddEntries, Refusing: refusing,
		Duplicates: s.count.duplicates.Load(), Conflicts: s.count.conflicts.Load(),
		Commits: s.count.commits.Load(), Calls: s.count.shared.Load(),
		Failures: max(0, s.count.connected.Load()-connectionsAtStart),
		ClockOff: s.evidence.Off(r.Reading), ClockUnset: r.Unset(), Unavailable: down,
	}
}

// connectionsAtStart is about how many connections a process makes anyway.
const connectionsAtStart = 6

// Health is what only this engine has to say of itself, by the last beat.
type Health struct {
	// Server is the version of the server, Schema that of the tables.
	Server string
	Schema int
	// Durability is the configured one. Synchronous reports that commits wait for a
	// standby, and Standbys how many those are.
	Durability  Durability
	Synchronous bool
	Standbys    int
	// Blind reports that the role may not see standbys and snapshots: both are 0 then.
	Blind bool
	// Members counts the live ones.
	Members int
	// Connections is how many this process has open now.
	Connections int
	// Ambiguous counts transactions whose outcome was unknown, Reconnects connections
	// that were made anew.
	Ambiguous, Reconnects uint64
	// OldestSnapshot is for how long the oldest transaction of the server has kept rows
	// from being cleaned up, and DeadRows how many of ours wait for that.
	OldestSnapshot time.Duration
	DeadRows       int64
}

// Health returns how the database is. It needs no I/O.
func (s *Store) Health() Health {
	h := Health{
		Schema: schemaVersion(), Durability: s.o.Durability, Members: len(s.fleet.live()),
		Ambiguous: uint64(s.count.ambiguous.Load()), Reconnects: uint64(max(0, s.count.connected.Load()-connectionsAtStart)),
	}
	for _, l := range s.links() {
		if l.wire.Load() != nil {
			h.Connections++
		}
	}
	f := &s.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	h.Blind = f.blind
	h.Server, h.Synchronous, h.Standbys, h.OldestSnapshot, h.DeadRows = f.version, f.synchronous, f.standbys, f.oldest, f.deadRows
	return h
}

// links returns all connections.
func (s *Store) links() []*link {
	return append(s.accepts.links(), s.settles.link, s.ordered.link, s.calls, s.reads, s.beats)
}
