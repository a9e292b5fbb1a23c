package memstore

import (
	"slices"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

// memberFor is how long a process that was killed counts as a live member.
const memberFor = time.Minute

// server is what the processes share that have one storage open: the content, and the
// order of writes. Where the storage is not shared there is one process a server.
type server struct {
	disk   *disk
	faults faults
	// shared reports that several processes may have the storage open.
	shared bool
	clock  *spool.Clock
	base   time.Duration // age when the server began

	mu      sync.Mutex // guards the image, the members and the order of writes
	im      *image
	broken  bool
	members []*store
	pending map[int64]bool // numbers of events whose commit is not over

	syncing sync.Mutex // held across a sync; mu never is, while all is well

	claiming sync.Mutex
	claims   map[idKey]*claim
}

// newServer reads what the disk has.
func newServer(d *disk, o spooltest.Options, shared bool, f faults) *server {
	v := &server{disk: d, shared: shared, faults: f, claims: map[idKey]*claim{}, pending: map[int64]bool{}}
	v.im = d.load()
	v.clock, v.base = spool.NewClock(o.Now, v.im.now), v.im.age
	if f[TrustsNoClock] {
		v.clock = spool.NewClock(o.Now, time.Time{})
	}
	return v
}

// leave ends a member: at once where it closes, else as other members find out. The
// caller holds mu.
func (v *server) leave(s *store, closed bool) {
	s.gone, s.seen = true, v.base+v.clock.Read().Passed
	if closed {
		v.members = slices.DeleteFunc(v.members, func(m *store) bool { return m == s })
	}
}

// alive reports whether a member was heard of lately. The caller holds mu.
func (v *server) alive(m *store) bool {
	return !m.gone || v.faults[KeepsTheDead] || v.base+v.clock.Read().Passed-m.seen < memberFor
}

// inForce returns the settings that all members keep: what one wants to remember no
// other forgets. The caller holds mu.
func (s *store) inForce() spool.Settings {
	set := s.settings
	for _, m := range s.members {
		if m == s || !s.alive(m) || s.faults[TunesAlone] {
			continue
		}
		set.Window = max(set.Window, m.settings.Window)
		set.Retention = max(set.Retention, m.settings.Retention)
		set.MaxSize = min(set.MaxSize, m.settings.MaxSize)
	}
	return set
}

// serve notes which routes of a source an owner serves.
func (s *store) serve(o spool.Owner, source string, routes []spool.RouteName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]spool.RouteKey, len(routes))
	for i, r := range routes {
		keys[i] = spool.RouteKey{Source: source, Route: r.Name}
	}
	if s.serves[o] == nil {
		s.serves[o] = map[string][]spool.RouteKey{}
	}
	s.serves[o][source] = keys
}

// servesQueue reports whether an owner of the member serves a queue.
func (s *store) servesQueue(n int64) bool {
	for _, sources := range s.serves {
		for _, keys := range sources {
			if slices.ContainsFunc(keys, func(k spool.RouteKey) bool { return s.im.names[k] == n }) {
				return true
			}
		}
	}
	return false
}

// heldHere returns the hold that this process goes by.
func (s *store) heldHere(n int64) *spool.Hold {
	if h := s.im.queues[n].hold; h != nil {
		return h
	}
	return s.holds[n]
}

// held returns the hold that all members go by which serve the queue, and how many do.
func (s *store) held(n int64) (h *spool.Hold, served int) {
	all := true
	for _, m := range s.members {
		if !s.alive(m) || !m.servesQueue(n) {
			continue
		}
		served++
		if s.faults[CountsOwners] {
			served += len(m.serves) - 1
		}
		if m.holds[n] == nil {
			all = false
		} else if h == nil || m == s {
			h = m.holds[n]
		}
	}
	if row := s.im.queues[n].hold; row != nil {
		return row, served
	}
	if all || s.faults[HoldsWithOne] {
		return h, served
	}
	return nil, served
}

// copyHold returns a hold that its reader may change.
func copyHold(h *spool.Hold) *spool.Hold {
	if h == nil {
		return nil
	}
	c := *h
	return &c
}

// show ends the commit of an event: from now on readers see it. It may come after that of
// a larger number, as in a database.
func (v *server) show(seq int64) {
	if !v.shared || seq == 0 {
		return
	}
	if seq%2 == 1 {
		time.Sleep(time.Duration(seq%7) * 50 * time.Microsecond) // The commit of another may overtake it.
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.pending, seq)
}

// hidden reports whether readers do not see an event yet. settled hides those, too, that
// stand behind one whose commit is not over.
func (v *server) hidden(seq int64, settled bool) bool {
	if v.pending[seq] {
		return true
	}
	for n := range v.pending {
		if settled && n < seq && !v.faults[ShowsUnsettled] {
			return true
		}
	}
	return false
}

// tell reports what a commit has made due to the watchers of all members, and what it has
// made dead letters to those of the process that made it.
func (s *store) tell(due []spool.RouteKey, expired []delivery) {
	s.mu.Lock()
	members := slices.Clone(s.members)
	s.mu.Unlock()
	for _, m := range members {
		if m == s || !s.faults[TellsItselfOnly] {
			m.report(due)
		}
		if m == s || s.faults[ExpiresForAll] {
			m.reportExpired(expired)
		}
	}
}
