package postgres

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// memberTimeout is how long a member may be silent, in age, before it counts as gone.
// Nothing that must be exact hangs on it: leases run out by themselves.
const memberTimeout = 60 * time.Second

// fleet is what the last beat said of the members and of what is stored.
type fleet struct {
	mu sync.Mutex // guards all below; never held across I/O
	// members are those that are known, by their numbers.
	members map[int64]*member
	// inForce are the settings of all live members together.
	inForce spool.Settings
	// kept are the bytes of what is stored, odd those in quarantine, of oddEntries
	// entries. What this process has added since is in them.
	kept, odd, oddEntries int64
	// file are the bytes of the tables with their indexes.
	file int64
	// synchronous reports that the server names a standby that commits wait for, and
	// standbys how many there are.
	synchronous bool
	standbys    int
	// oldest is for how long the oldest snapshot has been held, deadRows how many rows
	// wait for a vacuum, version is the server's.
	oldest   time.Duration
	deadRows int64
	version  string
	// beaten is when the last beat was answered, by the monotonic clock, and err why
	// those since were not.
	beaten time.Time
	err    error
	// blind reports that the role may not see standbys and snapshots.
	blind bool
}

// member is another process's row, or our own.
type member struct {
	spool.Member
	// age is how far it had come, beganAge where it began.
	age, beganAge int64
	// schema is the newest version of the tables that its program knows.
	schema int
	serves map[int64]bool
	live   bool
}

// sees notes whether the role may see standbys and snapshots, and reports whether that is
// news.
func (f *fleet) sees(all bool) (news bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	news = f.blind == all
	f.blind = !all
	return news
}

// settings returns the settings in force.
func (f *fleet) settings() spool.Settings {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inForce
}

// live returns the live members by their numbers. They are not to be changed.
func (f *fleet) live() map[int64]*member {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := maps.Clone(f.members)
	maps.DeleteFunc(all, func(_ int64, m *member) bool { return !m.live })
	return all
}

// follow takes over the members that a beat has read, at age, of which own are the
// settings of this one.
func (f *fleet) follow(all map[int64]*member, me, age int64, own spool.Settings) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members, f.inForce = all, own
	for n, m := range all {
		m.Here = n == me
		m.live = m.Here || m.age > age-dur(memberTimeout)
		m.Live = m.live
		if m.live && !m.Here {
			f.inForce.Window = max(f.inForce.Window, m.Settings.Window)
			f.inForce.Retention = max(f.inForce.Retention, m.Settings.Retention)
			f.inForce.MaxSize = min(f.inForce.MaxSize, m.Settings.MaxSize)
		}
	}
}

// servedBy returns how many live members serve a route.
func (f *fleet) servedBy(route int64) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		if m.live && m.serves[route] {
			n++
		}
	}
	return n
}

// refuses reports whether nothing new may be stored.
func (f *fleet) refuses() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kept >= f.inForce.MaxSize
}

// nearlyFull reports whether what has ended is to go before its time.
func (f *fleet) nearlyFull() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kept >= f.inForce.MaxSize-f.inForce.MaxSize/16
}

// oddRoom returns how many bytes quarantine may still take.
func (f *fleet) oddRoom() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept >= f.inForce.MaxSize {
		return 0
	}
	return f.inForce.MaxSize/10 - f.odd
}

// grown and oddGrown note what this process has stored since the last beat.
func (f *fleet) grown(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept += bytes
}

func (f *fleet) oddGrown(bytes, entries int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.odd += bytes
	f.oddEntries += entries
}

// oldestBegan returns the age at which the oldest live member began: so long the store
// has been in use without a break.
func (f *fleet) oldestBegan() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	began := int64(never)
	for _, m := range f.members {
		if m.live {
			began = min(began, m.beganAge)
		}
	}
	return began
}

// hasOlder reports whether a member may be there whose program knows no version of the
// tables as new as this one.
func (f *fleet) hasOlder(version int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		if m.schema < version {
			return true
		}
	}
	return false
}

// isLive reports whether a member is live.
func (f *fleet) isLive(n int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.members[n]
	return m != nil && m.live
}

// sorted returns the members in the order of their start.
func (f *fleet) sorted() []*member {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.Collect(maps.Values(f.members))
	slices.SortFunc(all, func(a, b *member) int { return int(a.Number - b.Number) })
	return all
}
